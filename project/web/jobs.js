// The list of the recent jobs of all clients, with filters that are kept in the URL.

import { API, curl, describe, get, jobPath, withQuery } from "./api.js";
import { byId, h, replace, replaceItems, setText } from "./dom.js";
import { exchangePanel } from "./exchange.js";
import { confirmed } from "./confirm.js";
import { count, plural, unix } from "./format.js";
import { refresher } from "./refresh.js";
import { go } from "./router.js";
import { jobRow } from "./rows.js";
import { catalogue } from "./submit.js";

const FILTERS = ["task", "status", "queue", "text", "error_type", "submitted_from", "submitted_to"];
const TIMES = ["submitted_from", "submitted_to"];
const PER_PAGE = 50;
const form = byId("filters");
const exchange = exchangePanel();
const selected = new Set();
let query = new URLSearchParams();

const listing = refresher({
  load: () => get(`${API}/jobs`, asked()),
  show,
  fail: (problem) => setText(byId("jobs-note"), describe(problem)),
  every: 500,
  wanted: (frame) => frame.changes.total > 0 && !query.has("before"),
});

/** The view; its query has the filters and the cursor. */
export const jobsView = {
  section: "view-jobs",
  title: "Jobs",
  open(_, given) {
    if (given.toString() !== query.toString()) selected.clear();
    query = given;
    fillForm();
    listing.start();
  },
  close: () => listing.stop(),
};

/** Connect the controls. */
export function startJobs() {
  byId("jobs-exchange").append(exchange.element);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", apply);
  form.addEventListener("reset", () => go("#/jobs"));
  byId("requeue-selected").addEventListener("click", requeueSelected);
  byId("requeue-all").addEventListener("click", requeueAll);
  byId("jobs-body").addEventListener("change", ({ target }) => choose(target));
}

function asked() {
  const filled = Object.fromEntries(query);
  for (const name of TIMES) if (filled[name]) filled[name] = rfc3339(filled[name]);
  return { ...filled, limit: PER_PAGE };
}

/** Times in the URL and in the form are local; the API wants a time zone. */
function rfc3339(local) {
  const date = new Date(local);
  return Number.isNaN(date.getTime()) ? local : date.toISOString();
}

function apply() {
  const chosen = Object.fromEntries(FILTERS.map((name) => [name, form.elements[name].value.trim()]));
  go(withQuery("#/jobs", chosen));
}

function fillForm() {
  const names = catalogue().map((task) => task.task);
  const queues = [...new Set(catalogue().map((task) => task.queue))];
  offer(form.elements.task, names, query.get("task"));
  offer(form.elements.queue, queues, query.get("queue"));
  for (const name of FILTERS) form.elements[name].value = query.get(name) ?? "";
  byId("error-filter").hidden = !query.has("error_type");
}

/** Offer the known values, and the one that the URL names. */
function offer(select, names, chosen) {
  const all = [...new Set([...names, ...(chosen ? [chosen] : [])])];
  replace(select, h("option", { value: "" }, "all"), ...all.map((name) => h("option", { value: name }, name)));
}

function show(page) {
  if (form.elements.task.options.length < 2 && catalogue().length) fillForm();
  replaceItems(byId("jobs-body"), page.jobs.map((job) => jobRow(job, { select: true, selected: selected.has(job.job_id) })));
  setText(byId("jobs-note"), note(page));
  replace(byId("jobs-pages"), ...pages(page));
  setText(byId("jobs-curl"), curl({ method: "GET", path: withQuery(`${API}/jobs`, asked()) }));
  showSelection();
}

/** Say what was searched and how complete the answer is. */
function note({ jobs, searched }) {
  if (!searched) return "";
  const { jobs: looked, of, complete, oldest, limit } = searched;
  const filtered = FILTERS.some((name) => query.has(name));
  const parts = [];
  if (!jobs.length) parts.push(filtered ? "No job matches." : "No jobs yet: submit one on the page Pipeline.");
  if (filtered) parts.push(`Searched ${count(looked)} of ${plural(of, "recent job")}.`);
  else parts.push(`${plural(of, "recent job")}${of >= limit ? ` (the most that are listed; older ones are found by their id)` : ""}.`);
  if (!complete) parts.push("The search stopped at its time limit; “Older jobs” goes on.");
  if (oldest && of) parts.push(`The oldest is from ${new Date(unix(oldest) * 1000).toLocaleString("en-GB")}.`);
  return parts.join(" ");
}

function pages({ next }) {
  const to = (before) => {
    const target = new URLSearchParams(query);
    target.delete("before");
    if (before) target.set("before", before);
    return withQuery("#/jobs", Object.fromEntries(target));
  };
  const newest = query.has("before") && h("a", { class: "button", href: to(null) }, "← Newest jobs (live)");
  const older = next !== null && next !== undefined && h("a", { class: "button", href: to(next) }, "Older jobs →");
  const still = query.has("before") && h("span", { class: "hint" }, "This page of older jobs is not updated live.");
  return [newest, still, older];
}

function choose(box) {
  if (box.checked) selected.add(box.value);
  else selected.delete(box.value);
  showSelection();
}

function showSelection() {
  setText(byId("requeue-selected"), `Requeue ${plural(selected.size, "selected job")}`);
  byId("requeue-selected").hidden = !selected.size;
}

async function requeueSelected() {
  if (!(await confirmed(`Requeue ${plural(selected.size, "selected job")}?`, "Jobs that still wait or run are left alone.", "Requeue"))) return;
  for (const id of [...selected]) {
    const done = await exchange.send({ method: "POST", path: jobPath(id, "/requeue") }).catch(() => null);
    if (done) selected.delete(id);
  }
  listing.refresh();
}

/** Requeue all failed or cancelled jobs that match the filters; the confirmation names their number. */
async function requeueAll() {
  const { limit: _, before: __, ...filters } = asked();
  const path = `${API}/jobs/requeue`;
  const dry = await exchange.send({ method: "POST", path: withQuery(path, { ...filters, dry_run: 1 }) }).catch(() => null);
  if (!dry) return;
  const jobs = plural(dry.body.count, `${filters.status === "REVOKED" ? "cancelled" : "failed"} job`);
  if (!dry.body.count) return void (await confirmed("No failed job matches these filters.", "", null));
  if (!(await confirmed(`Requeue ${jobs}?`, "They run again with the same arguments and the same ids.", `Requeue ${jobs}`))) return;
  await exchange.send({ method: "POST", path: withQuery(path, filters) }).catch(() => null);
  listing.refresh();
}

