// Creates the form of one task from its entry in the catalogue.

import { submit } from "./api.js";
import { createField } from "./field.js";
import { jobElementId } from "./job.js";
import { copy, describe } from "./template.js";

/** Return a form that submits jobs of the task; onAccepted gets the task, the arguments and the accepted job. */
export function createForm(task, onAccepted) {
  const { element, slots } = copy("form");
  const { properties = {}, required = [] } = task.arguments;
  const fields = Object.entries(properties).map(([name, schema]) =>
    createField(`form-${task.task}`, name, schema, required.includes(name)),
  );
  slots.task.textContent = task.task;
  slots.task.id = `form-${task.task}`;
  element.setAttribute("aria-labelledby", slots.task.id);
  slots.address.textContent = `POST ${task.submit}`;
  slots.summary.textContent = task.summary;
  slots.button.ariaLabel = `Submit ${task.task}`;
  slots.fields.append(...fields.map((field) => field.element));

  element.addEventListener("submit", (event) => {
    event.preventDefault();
    send(task, element, slots, fields, onAccepted);
  });
  return element;
}

async function send(task, element, slots, fields, onAccepted) {
  complain(fields, slots.problem, null);
  slots.accepted.hidden = true;
  const args = readAll(fields);
  if (!args || element.ariaBusy === "true") return;
  // not `disabled`: that would move the focus away from keyboard users
  element.ariaBusy = "true";
  try {
    const accepted = await submit(task, args);
    onAccepted(task, args, accepted);
    slots.accepted.href = `#${jobElementId(accepted)}`;
    slots.accepted.hidden = false;
  } catch (problem) {
    complain(fields, slots.problem, problem);
  } finally {
    element.ariaBusy = "false";
  }
}

/** Return the arguments by name, or show the first invalid one and return null. */
function readAll(fields) {
  const args = {};
  for (const field of fields) {
    try {
      args[field.name] = field.read();
    } catch (error) {
      field.complain(error.message);
      field.input.focus();
      return null;
    }
  }
  return args;
}

/** Show a problem: errors of fields next to the fields, other errors next to the button. */
function complain(fields, place, problem) {
  const errors = new Map((problem?.errors ?? []).map(({ field, message }) => [field, message]));
  for (const field of fields) field.complain(errors.get(`body.${field.name}`) ?? "");
  const named = fields.filter((field) => errors.has(`body.${field.name}`));
  // the details are shown beside the fields, unless an error belongs to no field
  const shown = named.length > 0 && named.length === errors.size;
  place.textContent = problem ? (shown ? `${problem.status} ${problem.title}` : describe(problem)) : "";
  named[0]?.input.focus();
}
