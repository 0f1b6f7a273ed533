// Creates the rows of the lists of jobs.

import { h } from "./dom.js";
import { duration, oneLine, plural, shortId, timeElement, unix, UNKNOWN } from "./format.js";
import { badge } from "./states.js";

/** Return a table row for a job; `select` adds a checkbox. */
export function jobRow(job, { select = false, selected = false } = {}) {
  const id = shortId(job.job_id);
  const box = h("input", { type: "checkbox", value: job.job_id, "aria-label": `Select job ${id}` });
  box.checked = selected;
  const cell = (name, ...content) => h("td", { class: name, "data-label": name }, ...content);
  return h(
    "tr",
    { "data-key": job.job_id, "data-status": job.status },
    select && cell("select", box),
    cell("status", badge(job.status)),
    h("th", { scope: "row", class: "job" }, link(job, id)),
    cell("arguments", h("code", {}, job.arguments ? oneLine(job.arguments) : UNKNOWN)),
    cell("outcome", outcome(job)),
    cell("time", timeElement(job.submitted_at)),
    cell("wait", duration(between(job.submitted_at, job.started_at))),
    cell("run", duration(between(job.started_at, job.finished_at))),
    cell("queue", job.queue),
  );
}

const link = (job, id) => h("a", { href: `#/jobs/${encodeURIComponent(job.job_id)}` }, h("b", {}, job.task), " ", h("code", {}, id));

/** Return the seconds from one time to another, or null if one of them is unknown. */
export const between = (start, end) => (start && end ? Math.max(0, unix(end) - unix(start)) : null);

/** Return what became of a job: its result, its error, or its progress. */
export function outcome(job) {
  if (job.status === "SUCCESS") return job.omitted?.includes("result") ? "a long result" : h("code", {}, oneLine(job.result, 80));
  if (job.error) return h("span", { class: "wrong" }, `${job.error.type}: ${job.error.message}`.slice(0, 160));
  if (job.progress) return progressBar(job.progress);
  if (job.attempts > 1) return plural(job.attempts, "attempt");
  return UNKNOWN;
}

/** Return a bar with the progress that a job has reported, and its text. */
export function progressBar({ fraction, text }) {
  const bar = h("progress", { max: "1", value: String(fraction), "aria-label": "progress" });
  return h("span", { class: "progress" }, bar, h("span", {}, ` ${Math.round(fraction * 100)} % ${text}`));
}
