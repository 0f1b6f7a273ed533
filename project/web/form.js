// Creates the fields of a task's arguments, reads them, and shows errors beside them.

import { createField } from "./field.js";
import { h } from "./dom.js";

/** Return {element, read, peek, complain}: the fields of a task; start has the first values by name. */
export function argumentFields(formId, task, start = null) {
  const { properties = {}, required = [] } = task.arguments;
  const fields = Object.entries(properties).map(([name, schema]) => createField(formId, name, schema, required.includes(name)));
  for (const field of fields) if (start && Object.hasOwn(start, field.name)) field.start(start[field.name]);
  const empty = h("p", { class: "hint" }, "This task has no arguments.");
  const element = h("div", { class: "fields" }, ...(fields.length ? fields.map((field) => field.element) : [empty]));
  return { element, read: () => readAll(fields), peek: () => peek(fields), complain: (problem) => complain(fields, problem) };
}

/** Return the arguments by name; throw an error for an invalid one. */
function peek(fields) {
  const values = fields.map((field) => [field.name, field.read()]);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

/** Return the arguments by name; or show the first invalid one and return null. */
function readAll(fields) {
  complain(fields, null);
  const args = {};
  for (const field of fields) {
    try {
      const value = field.read();
      if (value !== undefined) args[field.name] = value;
    } catch (error) {
      field.complain(error.message);
      field.input.focus();
      return null;
    }
  }
  return args;
}

/** Show each error beside its field; return whether any field has one. */
function complain(fields, problem) {
  const errors = new Map((problem?.errors ?? []).map(({ field, message }) => [field.replace(/^body\.(arguments\.|kwargs\.)?/, ""), message]));
  const find = (name) => errors.get(name) ?? Array.from(errors).find(([path]) => path.startsWith(`${name}.`))?.[1];
  for (const field of fields) field.complain(find(field.name) ?? "");
  const named = fields.filter((field) => find(field.name));
  named[0]?.input.focus();
  return named.length > 0;
}
