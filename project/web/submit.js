// The panel that submits jobs: a form for each task, options, "send 1 / 10 / 100 / 1000", and the raw response.

import { announce } from "./announce.js";
import { describe, get, API, jobPath, send, withQuery } from "./api.js";
import { byId, h, replace, setText } from "./dom.js";
import { curlLine, exchangePanel } from "./exchange.js";
import { argumentFields } from "./form.js";
import { count, oneLine, plural } from "./format.js";
import { refresher } from "./refresh.js";
import { badge, stateOf } from "./states.js";
import { recall, remember } from "./store.js";

const AT_A_TIME = 6; // requests under way when many jobs are sent, as many as browsers allow
const STORE = "task";
const FIRST = "count_primes";

const panel = byId("submit");
const exchange = exchangePanel();
const followed = h("p", { class: "followed", hidden: true });
const NOTICED = 2; // seconds until the catalogue shows that a consumer has come or gone
const seenConsumers = { names: null, until: 0 };
let tasks = [];
let following = null;

/** Load the catalogue, again whenever the stack comes back, and show the form of a task. */
export function startSubmit() {
  const wanted = (frame) => !tasks.length || consumersChanged(frame);
  refresher({ load: () => get(`${API}/tasks`), show: arrange, fail: complain, wanted }).start();
  byId("task").addEventListener("change", () => choose(byId("task").value));
  panel.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(Number(event.submitter?.value ?? 1));
  });
}

/** Return the catalogue, once it is loaded. */
export const catalogue = () => tasks;

/** Submit a job as a visitor would, for the tour; return the followed job. */
export async function submitTask(name, args) {
  choose(name, args);
  await submit(1);
  return following;
}

function complain(problem) {
  byId("catalogue-problem").textContent = `${describe(problem)} Retrying soon.`;
}

/** Tell whether a consumer came or went a moment ago, so that other tasks may be without consumers now. */
function consumersChanged({ at, consumers, consumers_total: total }) {
  const names = consumers.length < total ? total : consumers.map(({ name }) => name).sort().join();
  if (names !== seenConsumers.names) Object.assign(seenConsumers, { names, until: at + NOTICED });
  return at < seenConsumers.until;
}

function arrange(loaded) {
  const same = shapeOf(loaded) === shapeOf(tasks);
  tasks = loaded;
  byId("catalogue-problem").textContent = "";
  if (!same) offerTasks();
  const chosen = current.task && tasks.find((task) => task.task === current.task.task);
  if (!chosen || shapeOf([chosen]) !== shapeOf([current.task])) return chooseFirst();
  current.task = chosen; // what somebody has typed stays
  byId("task").value = chosen.task;
  showSummary();
}

function offerTasks() {
  const queues = Map.groupBy ? Map.groupBy(tasks, (task) => task.queue) : groupByQueue();
  const groups = Array.from(queues, ([queue, some]) =>
    h("optgroup", { label: `queue ${queue}` }, ...some.map((task) => h("option", { value: task.task }, task.task))),
  );
  byId("task").replaceChildren(...groups);
}

function chooseFirst() {
  const names = tasks.map((task) => task.task);
  choose([recall(STORE), FIRST, names[0]].find((name) => names.includes(name)));
  panel.ariaBusy = "false";
}

/** Return what the forms depend on: the tasks and their arguments. */
const shapeOf = (some) => JSON.stringify(some.map(({ task, arguments: schema }) => [task, schema]));

function groupByQueue() {
  const groups = new Map();
  for (const task of tasks) groups.set(task.queue, [...(groups.get(task.queue) ?? []), task]);
  return groups;
}

const current = { task: null, fields: null };

function choose(name, start = null) {
  const task = tasks.find((each) => each.task === name);
  if (!task) return;
  remember(STORE, name);
  byId("task").value = name;
  panel.setAttribute("aria-label", name);
  Object.assign(current, { task, fields: argumentFields("submit", task, start) });
  showSummary();
  byId("task-fields").replaceChildren(current.fields.element);
  for (const button of panel.querySelectorAll("button[value]")) button.setAttribute("aria-label", `Send ${Number(button.value).toLocaleString("en")} of ${name}`);
  byId("submit-answer").replaceChildren(exchange.element, followed);
  showCurl();
  panel.oninput = showCurl;
}

function showSummary() {
  const { summary, consumers, conflict } = current.task;
  const waits = consumers === 0 && "No consumer runs it now: its jobs wait.";
  setText(byId("task-summary"), [summary, waits, conflict].filter(Boolean).join(" · "));
}

/** Show the curl line of what the form would send. */
function showCurl() {
  try {
    replace(byId("submit-curl"), curlLine(requestOf(current.fields.peek())));
  } catch {
    // an invalid value has no request
  }
}

function requestOf(args) {
  const value = (id) => byId(id).value.trim();
  const query = { job_id: value("option-id"), countdown: value("option-delay"), priority: value("option-priority") };
  const key = value("option-key");
  return { method: "POST", path: withQuery(current.task.submit, query), body: args, headers: key ? { "Idempotency-Key": key } : {} };
}

async function submit(wanted) {
  const args = current.fields?.read();
  byId("submit-problem").textContent = "";
  if (!args || panel.ariaBusy === "true") return;
  const request = requestOf(args);
  const one = byId("option-id").value || byId("option-key").value; // an id is for one job
  // not `disabled`: that would move the focus away from keyboard users
  panel.ariaBusy = "true";
  try {
    const { body } = await exchange.send(request);
    follow(body);
    if (wanted > 1 && !one) await sendMany(request, wanted);
  } catch (problem) {
    const beside = current.fields.complain(problem);
    byId("submit-problem").textContent = beside ? `${problem.status} ${problem.title}` : describe(problem);
  } finally {
    panel.ariaBusy = "false";
  }
}

/** Send the rest of many jobs, a few at a time; the first error ends it. */
async function sendMany(request, wanted) {
  const progress = h("p", { class: "hint", role: "status" });
  exchange.element.append(progress);
  let [sent, accepted] = [1, 1];
  const sender = async () => {
    while (sent < wanted) {
      sent++;
      await send(request).catch((problem) => {
        sent = wanted;
        throw problem;
      });
      accepted++;
      progress.textContent = `${count(accepted)} of ${count(wanted)} accepted`;
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, sender));
  announce(`${plural(accepted, "job")} accepted`);
}

/** Show beside the form what becomes of the newest job. */
function follow(job) {
  following?.refresher.stop();
  const id = job.job_id;
  const link = h("a", { href: `#/jobs/${encodeURIComponent(id)}` }, "its story");
  const mine = refresher({
    load: () => get(jobPath(id)),
    show: (found) => {
      showFollowed(found, link);
      if (found.ready) mine.stop();
    },
    fail: () => {},
    wanted: (frame) => frame.changes.jobs.some((change) => change.job_id === id) || frame.changes.total > frame.changes.shown,
    every: 300,
  });
  following = { id, refresher: mine };
  showFollowed(job, link);
  mine.start();
}

function showFollowed(job, link) {
  const outcome = job.status === "SUCCESS" ? oneLine(job.result) : job.error ? `${job.error.type}: ${job.error.message}` : "";
  const progress = job.progress && !job.ready ? `${Math.round(job.progress.fraction * 100)} % ${job.progress.text}` : "";
  replace(followed, badge(job.status), " ", outcome ? h("b", { class: "outcome" }, outcome) : h("span", {}, progress), " ", link);
  followed.hidden = false;
  announce(`${job.task} job ${stateOf(job.status).label}${outcome ? `: ${outcome}` : ""}`);
}
