// Shows one view at a time; its address is the fragment of the URL, such as #/jobs/1234 or #/jobs?status=FAILURE.

import { byId } from "./dom.js";

let open = null;

/** Start with the views by name; "" is the first page. A view has title, open(rest, query) and close(). */
export function startRouter(views) {
  const follow = () => show(views, parse(location.hash));
  addEventListener("hashchange", follow);
  follow();
}

/** Go to another address, or replace the current one. */
export function go(address, { replace = false } = {}) {
  if (replace) location.replace(address);
  else location.hash = address;
}

/** Return {name, rest, query} of a fragment. */
export function parse(fragment) {
  const [path, query = ""] = fragment.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [name, ...rest] = path.split("/").map(decode);
  return { name, rest: rest.filter(Boolean), query: new URLSearchParams(query) };
}

/** Decode a part of a path; a damaged one stays as it is. */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function show(views, { name, rest, query }) {
  const found = Object.hasOwn(views, name) ? name : "";
  const key = found === "jobs" && rest.length ? "story" : found;
  const changed = open !== key;
  if (changed && open !== null) views[open].close?.();
  const first = open === null;
  open = key;
  const view = views[key];
  for (const other of Object.values(views)) byId(other.section).hidden = other !== view;
  markCurrent(found);
  document.title = `${view.title} · Glassqueue`;
  view.open(rest, query);
  if (changed && !first) arrive(byId(view.section));
}

function markCurrent(name) {
  for (const link of document.querySelectorAll("#views a")) {
    const current = link.getAttribute("href") === `#/${name}`;
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** Move focus and scroll position to a view that was just opened. */
function arrive(section) {
  scrollTo(0, 0);
  section.querySelector("h1")?.focus({ preventScroll: true });
}
