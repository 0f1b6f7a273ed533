// Creates one input of a form from the JSON Schema of one argument.

import { copy } from "./template.js";

const INPUTS = { integer: "number", number: "number", boolean: "checkbox" };
const number = new Intl.NumberFormat("en");

/** Return {element, name, input, complain, read} for an argument; formId makes the ids unique. */
export function createField(formId, name, schema, required) {
  const { element, slots } = copy("field");
  const input = element.querySelector("input");
  input.id = `${formId}-${name}`;
  slots.help.id = `${input.id}-help`;
  slots.wrong.id = `${input.id}-wrong`;
  input.setAttribute("aria-describedby", `${slots.help.id} ${slots.wrong.id}`);
  element.querySelector("label").htmlFor = input.id;
  slots.name.textContent = name;
  slots.type.textContent = schema.type ?? "JSON";
  slots.help.textContent = help(schema, required);
  prepare(input, name, schema, required);

  const complain = (message) => {
    slots.wrong.textContent = message;
    element.classList.toggle("invalid", Boolean(message));
    input.setAttribute("aria-invalid", String(Boolean(message)));
  };
  return { element, name, input, complain, read: () => read(input, schema) };
}

function prepare(input, name, schema, required) {
  input.name = name;
  input.type = INPUTS[schema.type] ?? "text";
  input.required = required;
  const start = schema.examples?.[0] ?? schema.default;
  if (input.type === "checkbox") input.checked = Boolean(start);
  else if (start !== undefined) input.value = schema.type === "string" ? start : JSON.stringify(start);
  if (input.type !== "number") return;
  for (const [limit, key] of [["min", "minimum"], ["max", "maximum"]]) {
    if (schema[key] !== undefined) input[limit] = schema[key];
  }
  input.step = schema.type === "integer" ? 1 : "any";
}

/** Return the argument's value; undefined leaves it out, so that the task's default applies. */
function read(input, schema) {
  if (input.type === "checkbox") return input.checked;
  if (input.validity.badInput) throw new Error("Enter a number.");
  if (input.value === "") return undefined;
  if (input.type === "number") return input.valueAsNumber;
  if (schema.type === "string") return input.value;
  try {
    return JSON.parse(input.value);
  } catch {
    throw new Error("Enter valid JSON.");
  }
}

function help(schema, required) {
  const { minimum, maximum, maxLength, description } = schema;
  const parts = [];
  if (description) parts.push(description);
  if (minimum !== undefined && maximum !== undefined) {
    parts.push(`${number.format(minimum)} to ${number.format(maximum)}`);
  } else if (minimum !== undefined) parts.push(`at least ${number.format(minimum)}`);
  else if (maximum !== undefined) parts.push(`at most ${number.format(maximum)}`);
  if (maxLength !== undefined) parts.push(`at most ${number.format(maxLength)} characters`);
  if (!required && schema.type !== "boolean") parts.push(`left empty: ${schema.default ?? "none"}`);
  return parts.join(" · ");
}
