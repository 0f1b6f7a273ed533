// Asks before an action that cannot be undone.

import { byId, h, replace } from "./dom.js";

/**
 * Show a question in a dialog (details: text or elements); resolve to true if the answer is yes.
 * Without a verb, the only button is "Close".
 */
export function confirmed(question, details, verb) {
  const dialog = byId("dialog");
  const yes = verb && h("button", { class: "primary", value: "yes" }, verb);
  const no = h("button", { value: "no" }, verb ? "Cancel" : "Close");
  replace(
    byId("dialog-form"),
    h("h2", { id: "dialog-title" }, question),
    details ? h("div", { class: "details" }, ...[details].flat()) : null,
    h("p", { class: "actions" }, yes || "", no),
  );
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}
