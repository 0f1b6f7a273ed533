// Shows one job in the list: its arguments, its progress and its result.

import { curl } from "./api.js";
import { copyText } from "./clipboard.js";
import { STATES } from "./states.js";
import { copy, describe } from "./template.js";

/** Return {element, show, trouble} for a newly accepted job. */
export function createJob(task, args, accepted) {
  const { element, slots } = copy("job");
  element.id = jobElementId(accepted);
  slots.task.textContent = task.task;
  slots.arguments.textContent = JSON.stringify(args);
  slots.queue.textContent = task.queue;
  slots["job-id"].textContent = accepted.job_id;
  slots["job-id"].href = accepted.location;
  slots.curl.textContent = curl(task, args);
  slots.copy.setAttribute("aria-label", `Copy the curl command of this ${task.task} job`);
  slots.copy.addEventListener("click", () => copyText(slots.curl, slots.copy));
  showStatus(element, slots, accepted.status);
  say(slots, `It ${STATES[accepted.status].label}.`);
  return {
    element,
    show: (job) => show(element, slots, job),
    trouble: (problem) => say(slots, `${describe(problem)} ${problem.temporary ? "Retrying soon." : ""}`, "problem"),
  };
}

/** Return the id of a job's element, to link to it. */
export const jobElementId = (job) => `job-${job.job_id}`;

function show(element, slots, job) {
  showStatus(element, slots, job.status);
  const wait = between(job.submitted_at, job.started_at);
  const run = between(job.started_at, job.finished_at);
  slots["wait-time"].textContent = duration(wait);
  slots["run-time"].textContent = duration(run);
  slots.queue.textContent = job.queue;
  slots.consumer.textContent = job.consumer ?? "–";
  slots.waited.style.flexGrow = run === null ? (wait === null ? 1 : 0) : wait;
  slots.ran.style.flexGrow = run === null ? (wait === null ? 0 : 1) : run;
  if (job.status === "SUCCESS") say(slots, JSON.stringify(job.result), "result");
  else if (job.error) say(slots, `${job.error.type}: ${job.error.message}`, "problem");
  else say(slots, `It ${STATES[job.status].label}.`);
}

function showStatus(element, slots, status) {
  element.dataset.colour = STATES[status].colour;
  element.dataset.status = status;
  slots.status.textContent = status;
  slots.status.title = STATES[status].label;
}

function say(slots, text, kind = "hint") {
  slots.outcome.textContent = text;
  slots.outcome.className = `outcome ${kind}`;
}

/** Return the milliseconds from one time to another, or null if one of them is unknown. */
function between(start, end) {
  return start && end ? Math.max(0, new Date(end) - new Date(start)) : null;
}

function duration(milliseconds) {
  if (milliseconds === null) return "–";
  return milliseconds < 1000 ? `${milliseconds} ms` : `${(milliseconds / 1000).toFixed(2)} s`;
}
