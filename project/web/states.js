// The label, the mark and the colour of each status; a status is never shown by its colour alone. The names are Celery's.

import { h } from "./dom.js";

export const STATES = {
  PENDING: { label: "waits in its queue", colour: "amber", mark: "…" },
  STARTED: { label: "is running", colour: "blue", mark: "▸" },
  RETRY: { label: "failed and will be retried", colour: "violet", mark: "↻" },
  SUCCESS: { label: "has succeeded", colour: "green", mark: "✓" },
  FAILURE: { label: "has failed", colour: "red", mark: "✕" },
  REVOKED: { label: "was cancelled", colour: "grey", mark: "⊘" },
};

const OTHER = { label: "is in a custom state", colour: "grey", mark: "?" };

/** Return the description of a status. */
export const stateOf = (status) => STATES[status] ?? OTHER;

/** Return a badge with the mark and the name of a status. */
export function badge(status) {
  const { colour, mark, label } = stateOf(status);
  const sign = h("span", { "aria-hidden": "true" }, mark);
  return h("span", { class: "badge", "data-colour": colour, title: `The job ${label}` }, sign, ` ${status}`);
}
