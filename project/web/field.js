// Creates one input of a form from the JSON Schema of one argument.

import { h } from "./dom.js";

const INPUTS = { integer: "number", number: "number", boolean: "checkbox" };
const LONG = 500; // characters from which a text gets several lines
const number = new Intl.NumberFormat("en");

/** Return {element, name, input, complain, read, start} for an argument; formId makes the ids unique. */
export function createField(formId, name, schema, required) {
  const id = `${formId}-${name}`;
  const input = createInput(schema);
  for (const [key, value] of Object.entries({ id, name, autocomplete: "off", "aria-describedby": `${id}-help ${id}-wrong` })) {
    input.setAttribute(key, value);
  }
  if (required) input.setAttribute("aria-required", "true");
  prepare(input, schema, schema.examples?.[0] ?? schema.default);
  const wrong = h("p", { class: "wrong", id: `${id}-wrong` });
  const element = h(
    "div",
    { class: "field" },
    h("label", { for: id }, name, " ", h("small", {}, schema.type ?? "JSON")),
    input,
    h("p", { class: "help", id: `${id}-help` }, help(schema, required)),
    wrong,
  );
  const complain = (message) => {
    wrong.textContent = message;
    element.classList.toggle("invalid", Boolean(message));
    input.setAttribute("aria-invalid", String(Boolean(message)));
  };
  return { element, name, input, complain, read: () => read(input, schema, required), start: (value) => prepare(input, schema, value) };
}

function createInput(schema) {
  const type = INPUTS[schema.type] ?? "text";
  if (type === "text" && (schema.type !== "string" || schema.maxLength > LONG)) return h("textarea", { rows: 2 });
  return h("input", { type });
}

/** Set the value of an input and, for a number, its step. */
function prepare(input, schema, start) {
  if (input.type === "checkbox") input.checked = Boolean(start);
  else if (start !== undefined) input.value = schema.type === "string" ? (start ?? "") : JSON.stringify(start);
  if (input.type === "number") input.step = schema.type === "integer" ? 1 : "any";
}

/**
 * Return the argument's value; undefined leaves it out, so that the task's default applies.
 * Throw an error with the server's words for what the server would refuse.
 */
function read(input, schema, required) {
  if (input.type === "checkbox") return input.checked;
  if (input.validity.badInput) throw new Error(`Input should be a valid ${schema.type}`);
  if (input.value === "") {
    if (required && schema.type !== "string") throw new Error("Field required");
    return required ? "" : undefined;
  }
  if (input.type === "number") return checkNumber(input.valueAsNumber, schema);
  if (schema.type === "string") return checkText(input.value, schema);
  try {
    return JSON.parse(input.value);
  } catch {
    throw new Error("Input should be valid JSON");
  }
}

function checkNumber(value, { type, minimum, maximum, exclusiveMinimum, exclusiveMaximum }) {
  const should = (words) => {
    throw new Error(`Input should be ${words}`);
  };
  if (type === "integer" && !Number.isInteger(value)) should("a valid integer");
  if (value < minimum) should(`greater than or equal to ${minimum}`);
  if (value > maximum) should(`less than or equal to ${maximum}`);
  if (value <= exclusiveMinimum) should(`greater than ${exclusiveMinimum}`);
  if (value >= exclusiveMaximum) should(`less than ${exclusiveMaximum}`);
  return value;
}

function checkText(value, { minLength, maxLength }) {
  const length = [...value].length; // code points, as the server counts
  const characters = (limit) => `${limit} character${limit === 1 ? "" : "s"}`;
  if (length < minLength) throw new Error(`String should have at least ${characters(minLength)}`);
  if (length > maxLength) throw new Error(`String should have at most ${characters(maxLength)}`);
  return value;
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
