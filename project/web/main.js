// The page: a form for each task in the catalogue, and a list of the jobs submitted here.

import { listTasks } from "./api.js";
import { follow, sleep } from "./follow.js";
import { createForm } from "./form.js";
import { createJob } from "./job.js";
import { STATES } from "./states.js";
import { copy, describe } from "./template.js";

const LISTED = 12; // jobs in the list; older ones are no longer followed
const OPEN = new Set(["cpu", "default"]); // queues with forms that are not collapsed
const RETRY = 2000; // milliseconds until the next request for the catalogue

const forms = document.getElementById("forms");
const list = document.getElementById("jobs");
const announcer = document.getElementById("announcer");
const watched = [];

async function showForms() {
  for (;;) {
    try {
      forms.replaceChildren(...arrange(await listTasks()));
      forms.ariaBusy = "false";
      return;
    } catch (problem) {
      forms.firstElementChild.textContent = `${describe(problem)} Retrying soon.`;
      await sleep(problem.retryAfter ?? RETRY);
    }
  }
}

/** Return the forms of the demo tasks, and the others collapsed, one group per queue. */
function arrange(tasks) {
  const groups = new Map();
  const shown = [];
  for (const task of tasks) {
    const form = createForm(task, watch);
    if (OPEN.has(task.queue)) shown.push(form);
    else groups.set(task.queue, [...(groups.get(task.queue) ?? []), form]);
  }
  return [...shown, ...Array.from(groups, fold)];
}

function fold([queue, forms]) {
  const { element, slots } = copy("group");
  slots.queue.textContent = queue;
  slots.count.textContent = `${forms.length} ${forms.length === 1 ? "task" : "tasks"}`;
  element.append(...forms);
  return element;
}

async function watch(task, args, accepted) {
  const job = createJob(task, args, accepted);
  const watching = new AbortController();
  list.prepend(job.element);
  watched.unshift({ job, watching });
  for (const old of watched.splice(LISTED)) {
    old.watching.abort();
    old.job.element.remove();
  }
  announce(task, accepted);
  try {
    let status = accepted.status;
    for await (const response of follow(accepted.location, watching.signal)) {
      if (response.problem) {
        job.trouble(response.problem);
        continue;
      }
      job.show(response.job);
      if (response.job.status !== status) announce(task, response.job);
      status = response.job.status;
    }
  } catch (problem) {
    if (!watching.signal.aborted) job.trouble(problem);
  }
}

/** Announce a status to screen readers. */
function announce(task, { job_id: id, status, result, error }) {
  const outcome = status === "SUCCESS" ? `: ${JSON.stringify(result)}` : error ? `: ${error.message}` : "";
  announcer.textContent = `${task.task} job ${id.slice(0, 8)} ${STATES[status].label}${outcome}`;
}

showForms();
