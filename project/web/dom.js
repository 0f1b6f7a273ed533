// Creates elements. Strings become text nodes, never HTML, because all job data is untrusted.

const SVG = "http://www.w3.org/2000/svg";

/** Return an HTML element: h("a", { href: "#/", class: "x", onclick: go }, "text", child). */
export const h = (tag, properties, ...children) => fill(document.createElement(tag), properties, children);

/** Return an SVG element. */
export const svg = (tag, properties, ...children) => fill(document.createElementNS(SVG, tag), properties, children);

/** Return the element with an id. */
export const byId = (id) => document.getElementById(id);

/** Set the text of an element only if it differs, so that screen readers and selections are not disturbed. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Replace the children of an element only if their markup differs, so that focus and selection stay. */
export function replace(element, ...children) {
  const nodeOf = (child) => (typeof child === "string" ? document.createTextNode(child) : child);
  const fresh = children.flat().filter(Boolean).map(nodeOf);
  const old = element.childNodes;
  const same = old.length === fresh.length && fresh.every((node, index) => old[index].isEqualNode(node));
  if (!same) element.replaceChildren(...fresh);
}

/** Replace the items of a list or table body, keeping those whose data-key and markup are unchanged. */
export function replaceItems(parent, items) {
  const before = new Map(Array.from(parent.children, (child) => [child.dataset.key, child]));
  const kept = items.map((item) => {
    const old = before.get(item.dataset.key);
    return old && (old.contains(document.activeElement) ? adopt(old, item) : old.isEqualNode(item)) ? old : item;
  });
  const moved = kept.some((item, index) => parent.children[index] !== item) || parent.children.length !== kept.length;
  if (!moved) return;
  const restoreFocus = focusIn(parent);
  placeInOrder(parent, kept);
  restoreFocus();
}

/** Return a function that gives the focus back to the same control of an item that was replaced, counted from its end. */
function focusIn(parent) {
  const focused = document.activeElement;
  const old = parent.contains(focused) && focused.closest("[data-key]");
  if (!old) return () => {};
  const controls = (item) => Array.from(item.querySelectorAll("a, button, input"));
  const place = controls(old).indexOf(focused) - controls(old).length;
  return () => {
    const item = Array.from(parent.children).find((child) => child.dataset.key === old.dataset.key);
    if (item && !item.contains(document.activeElement)) controls(item).at(place)?.focus();
  };
}

/** Update an item that has the focus cell by cell, so that the focused control stays; return false if that cannot be. */
function adopt(old, item) {
  if (old.children.length !== item.children.length) return false;
  for (const name of item.getAttributeNames()) old.setAttribute(name, item.getAttribute(name));
  for (const [index, cell] of Array.from(item.children).entries()) {
    const present = old.children[index];
    if (present && !present.contains(document.activeElement) && !present.isEqualNode(cell)) present.replaceWith(cell);
  }
  return true;
}

function placeInOrder(parent, items) {
  const wanted = new Set(items);
  for (const child of Array.from(parent.children)) if (!wanted.has(child)) child.remove();
  items.forEach((item, index) => {
    if (parent.children[index] !== item) parent.insertBefore(item, parent.children[index] ?? null);
  });
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
