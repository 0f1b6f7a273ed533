// The story of one job: what happened when, on which consumer, with which data, and what can be done now.

import { describe, get, jobPath } from "./api.js";
import { byId, h, replace, setText } from "./dom.js";
import { duration, pretty, shortId, timeElement, unix } from "./format.js";
import { live, now, onFrame } from "./live.js";
import { refresher } from "./refresh.js";
import { progressBar } from "./rows.js";
import { badge } from "./states.js";
import { createActions } from "./story_actions.js";
import { drawTimeline, laneOf } from "./timeline.js";

const OUTCOMES = {
  running: ["▸ is running", "running"], success: ["✓ succeeded", "running"], failure: ["✕ failed", "running"], retry: ["↻ failed and is retried", "retry"],
  time_limit: ["✕ exceeded its time limit", "running"], crash: ["✕ its process was lost", "poison"], lost_lease: ["✕ lost its lease", "lease"],
  stopped: ["⊘ its consumer stopped", "lease"], revoked: ["⊘ was cancelled", "cancel"], moved: ["⊘ moved to another broker", "lease"],
};
const current = { id: "", story: null };
const actions = createActions(byId("story-actions"), () => loading.refresh());

const loading = refresher({
  load: () => get(jobPath(current.id, "/story")),
  show,
  fail: (problem) => {
    setText(byId("story-problem"), describe(problem));
    byId("story-body").hidden = problem.status === 404;
  },
  every: 400,
  wanted: (frame) => !current.story || mentions(frame, current.id) || isOpen(current.story),
});

/** The view; the rest of its address is the id of the job. */
export const storyView = {
  section: "view-story",
  title: "Job",
  open([id]) {
    if (id !== current.id) reset(id);
    loading.start();
  },
  close: () => loading.stop(),
};

byId("record").addEventListener("toggle", loadRecord);
onFrame(() => current.story && isOpen(current.story) && byId("story-timeline").clientWidth && drawTimes(current.story));

function reset(id) {
  Object.assign(current, { id, story: null });
  byId("story-body").hidden = true;
  byId("record").open = false;
  setText(byId("story-problem"), "");
  setText(byId("story-title"), `Job ${shortId(id)}`);
  actions.reset();
}

const mentions = (frame, id) => frame.changes.jobs.some((change) => change.job_id === id) || frame.changes.total > frame.changes.shown;

/** Whether the story goes on: its job has not ended. */
const isOpen = ({ job }) => !job.ready;

function show(story) {
  const { job } = story;
  const changed = current.story?.job.status !== job.status;
  current.story = story;
  byId("story-body").hidden = false;
  setText(byId("story-problem"), "");
  setText(byId("story-title"), job.task);
  replace(byId("story-status"), badge(job.status), " ", h("code", {}, job.job_id));
  replace(byId("story-facts"), ...facts(story));
  replace(byId("story-progress"), job.progress ? progressBar(job.progress) : null);
  drawTimes(story);
  replace(byId("story-runs"), ...story.runs.map(runRow));
  byId("story-runs-table").hidden = !story.runs.length;
  setText(byId("story-dropped"), story.runs_dropped ? `${story.runs_dropped} earlier attempts are no longer recorded.` : "");
  showData(story);
  replace(byId("story-tree"), ...tree(story));
  actions.show(story);
  if (changed && byId("record").open) loadRecord();
}

function facts({ job, options }) {
  const fact = (term, ...value) => h("div", {}, h("dt", {}, term), h("dd", {}, ...value));
  const lease = job.lease && unix(job.lease.until) - now();
  return [
    fact("queue", h("a", { href: `#/jobs?queue=${encodeURIComponent(job.queue)}` }, job.queue)),
    fact("submitted", timeElement(job.submitted_at)),
    fact("attempts", String(job.attempts)),
    fact("priority", String(options?.priority ?? "–")),
    fact("time limit", duration(options?.time_limit)),
    job.due_at && fact("runs at", timeElement(job.due_at)),
    job.lease && fact("lease ends in", lease > 0 ? `${lease.toFixed(0)} s` : `expired ${(-lease).toFixed(0)} s ago`),
  ];
}

function drawTimes({ timeline }) {
  const place = byId("story-timeline");
  const leases = (live.frame?.broker ?? "leased") === "leased" || timeline.some(({ lane }) => lane === "lost_lease");
  replace(place, drawTimeline(timeline, Math.max(260, place.clientWidth), leases));
  replace(byId("story-steps"), ...timeline.map(stepItem));
}

function stepItem(step) {
  const { name, topic } = laneOf(step);
  const length = (unix(step.to) ?? now()) - unix(step.from);
  const text = ` ${step.to ? "for" : "since"} ${duration(Math.max(0, length))}`;
  const run = step.run ? `, attempt ${step.run}` : "";
  return h("li", { class: step.lane }, timeElement(step.from), " ", h("a", { href: `#/explained/${topic}`, title: "What does this mean?" }, name), text + run);
}

function runRow({ attempt, consumer, started_at: start, ended_at: end, outcome, error }) {
  const [words, topic] = OUTCOMES[outcome] ?? [outcome, "running"];
  const reason = error ? `${error.type}: ${error.message}` : "";
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, String(attempt)),
    h("td", {}, consumer ?? "–"),
    h("td", {}, timeElement(start)),
    h("td", {}, duration(start ? Math.max(0, (unix(end) ?? now()) - unix(start)) : null)),
    h("td", {}, h("a", { href: `#/explained/${topic}` }, words), reason && h("span", { class: "wrong" }, ` ${reason}`)),
  );
}

function showData({ job, arguments: args }) {
  setText(byId("story-arguments"), args ? pretty(args) : "The arguments are gone: they are kept only while a job is among the recent ones.");
  const result = job.status === "SUCCESS" ? pretty(job.result) : job.error ? `${job.error.type}: ${job.error.message}` : "There is none yet.";
  setText(byId("story-result"), result);
  setText(byId("story-result-title"), job.error ? "Error" : "Result");
  byId("story-traceback-box").hidden = !job.traceback;
  setText(byId("story-traceback"), job.traceback ?? "");
}

/** Return parent, this job and its children as nested list items. */
function tree({ job, parent, children, children_total: total, edited_from: from, edited_as: as }) {
  const link = ({ job_id: id, task, status }) => [status ? badge(status) : "", " ", h("a", { href: `#/jobs/${encodeURIComponent(id)}` }, task ?? "job", " ", shortId(id))];
  const more = total > children.length ? [h("li", {}, `and ${total - children.length} more`)] : [];
  const below = children.length ? h("ul", {}, ...children.map((child) => h("li", {}, ...link(child))), ...more) : null;
  const self = h("li", {}, badge(job.status), h("b", {}, ` ${job.task}`), " (this job)", below);
  const root = parent ? h("li", {}, ...link(parent), h("ul", {}, self)) : self;
  const edits = [from && h("li", {}, "edited copy of", ...link({ job_id: from })), ...(as ?? []).map((id) => h("li", {}, "requeued with other arguments as", ...link({ job_id: id })))];
  return [root, ...edits.filter(Boolean)];
}

async function loadRecord() {
  if (!byId("record").open) return;
  const place = byId("record-text");
  try {
    const { key, fields, message, ttl, places } = await get(jobPath(current.id, "/record"));
    const expires = ttl === null ? "does not expire" : `expires in ${duration(ttl)}`;
    replace(
      byId("record-places"),
      h("li", {}, h("code", {}, key), ` hash, ${expires}`),
      ...(places ?? []).map((each) => h("li", {}, h("code", {}, each.key), ` ${each.type} ${each.score === undefined || each.score === null ? "" : `score ${each.score} `}${each.index ?? ""}`)),
    );
    setText(place, pretty(fields));
    setText(byId("record-message"), pretty(message));
  } catch (problem) {
    setText(place, describe(problem));
  }
}

