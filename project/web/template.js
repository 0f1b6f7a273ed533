// Fills in the templates of index.html.

/** Return a copy of a template's element and its slots by name. */
export function copy(name) {
  const element = document.getElementById(`${name}-template`).content.firstElementChild.cloneNode(true);
  const slots = {};
  for (const slot of element.querySelectorAll("[data-slot]")) slots[slot.dataset.slot] = slot;
  return { element, slots };
}

/** Describe a problem in one line. */
export const describe = (problem) => `${problem.status || ""} ${problem.title}: ${problem.message}`.trim();
