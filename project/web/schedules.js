// The schedules: when they fire next, and the form that creates one.

import { API, describe, get } from "./api.js";
import { confirmed } from "./confirm.js";
import { byId, h, replace, replaceItems, setText } from "./dom.js";
import { exchangePanel } from "./exchange.js";
import { argumentFields } from "./form.js";
import { duration, moment, oneLine, plural, timeElement, TIME_ZONE, unix, zoneName } from "./format.js";
import { now } from "./live.js";
import { refresher } from "./refresh.js";
import { catalogue } from "./submit.js";

const exchange = exchangePanel();
const form = byId("schedule-form");
let fields = null;

const listing = refresher({
  load: () => get(`${API}/schedules`, { limit: 200 }),
  show,
  fail: (problem) => setText(byId("schedules-note"), describe(problem)),
  every: 2000,
});

/** The view. */
export const schedulesView = {
  section: "view-schedules",
  title: "Schedules",
  open() {
    fillForm();
    listing.start();
  },
  close: () => listing.stop(),
};

/** Connect the form. */
export function startSchedules() {
  byId("schedules-exchange").append(exchange.element);
  form.addEventListener("submit", create);
  form.elements.task.addEventListener("change", chooseTask);
  form.elements.kind.addEventListener("change", chooseKind);
  byId("preview").addEventListener("click", preview);
  form.elements.timezone.value = TIME_ZONE;
}

const EXAMPLES = { every: "30s", cron: "0 9 * * mon-fri", rrule: "FREQ=WEEKLY;BYDAY=MO,TH", trigger_at: "" };
const HINTS = {
  every: "A duration: 30s, 5m, 1h30m", cron: "Minute, hour, day of month, month, day of week; or @hourly, @daily",
  rrule: "A recurrence rule (RFC 5545)", trigger_at: "Once, at this time",
};

function chooseKind() {
  const { kind, value } = form.elements;
  value.type = kind.value === "trigger_at" ? "datetime-local" : "text";
  value.value = EXAMPLES[kind.value];
  setText(byId("value-help"), HINTS[kind.value]);
}

function fillForm() {
  if (form.elements.task.options.length || !catalogue().length) return;
  replace(form.elements.task, ...catalogue().map(({ task }) => h("option", { value: task }, task)));
  form.elements.task.value = "sum";
  chooseTask();
  chooseKind();
}

function chooseTask() {
  const task = catalogue().find((each) => each.task === form.elements.task.value) ?? catalogue()[0];
  fields = argumentFields("schedule", task);
  replace(byId("schedule-arguments"), fields.element);
}

function rule() {
  const { kind, value, timezone } = form.elements;
  const once = kind.value === "trigger_at";
  const date = once ? new Date(value.value) : null;
  return { [kind.value]: once && !Number.isNaN(date.getTime()) ? date.toISOString() : value.value, ...(once || kind.value === "every" ? {} : { timezone: timezone.value }) };
}

async function preview() {
  const body = rule();
  const answer = await exchange.send({ method: "POST", path: `${API}/schedules/preview`, body }).catch(complain);
  if (!answer) return;
  setText(byId("schedule-problem"), "");
  replace(byId("preview-times"), h("p", {}, `Next times of the rule “${ruleOf(body)}”:`), timesList(answer.body.upcoming));
}

async function create(event) {
  event.preventDefault();
  const args = fields?.read();
  if (!args) return;
  const body = { ...rule(), task: form.elements.task.value, kwargs: args, description: form.elements.description.value };
  const answer = await exchange.send({ method: "POST", path: `${API}/schedules`, body }).catch(complain);
  if (answer) setText(byId("schedule-problem"), "");
  listing.refresh();
}

function complain(problem) {
  fields?.complain(problem);
  const messages = problem.errors?.map(({ field, message }) => `${field.replace("body.", "")}: ${message}`);
  setText(byId("schedule-problem"), messages?.length ? messages.join("; ") : describe(problem));
}

function show({ schedules }) {
  fillForm();
  replaceItems(byId("schedules-list"), schedules.map(card));
  setText(byId("schedules-note"), schedules.length ? `Times are in your time zone, ${TIME_ZONE} (${zoneName(now())}).` : "No schedules yet.");
}

function card(schedule) {
  const { schedule_id: id, task, status, description, error, kwargs, upcoming } = schedule;
  const path = `${API}/schedules/${encodeURIComponent(id)}`;
  const act = async (request) => {
    await exchange.send(request).catch(() => null);
    listing.refresh();
  };
  const button = (text, request, question) =>
    h("button", { type: "button", class: "small", "aria-label": `${text} ${description || task}`, onclick: async () => (!question || (await confirmed(question, "Jobs that it has submitted stay.", "Delete"))) && act(request) }, text);
  const paused = status === "paused";
  const marks = { active: "● active", paused: "❚❚ paused", invalid: "✕ invalid", ended: "○ ended" };
  return h(
    "li",
    { class: "card schedule", "data-key": id },
    h("div", { class: "title" }, h("h3", {}, description || task), h("span", { class: "badge", "data-colour": status === "active" ? "green" : status === "invalid" ? "red" : "grey" }, marks[status] ?? status)),
    error ? h("p", { class: "wrong" }, error) : h("p", {}, h("b", {}, `${task} `), h("code", {}, kwargs ? oneLine(kwargs) : "…"), ` ${ruleOf(schedule)}`),
    upcoming.length > 0 && timesList(upcoming.slice(0, 3)),
    h("p", { class: "hint" }, `fired ${plural(schedule.fired_count, "time")}`, ...lastJobs(schedule.jobs)),
    h(
      "p",
      { class: "actions" },
      status !== "invalid" && button(paused ? "Resume" : "Pause", { method: "PATCH", path, body: { paused: !paused } }),
      status !== "invalid" && button("Run now", { method: "POST", path: `${path}/run` }),
      button("Delete", { method: "DELETE", path }, `Delete the schedule ${description || task}?`),
    ),
  );
}

const ruleOf = ({ cron, every, rrule, trigger_at: at }) => cron ?? rrule ?? (every ? `every ${every}` : at ? `once, ${moment(at)}` : "");

const lastJobs = (jobs) => (jobs.length ? [" · last job ", h("a", { href: `#/jobs/${encodeURIComponent(jobs[0].job_id)}` }, "its story")] : []);

/** Return a list of times: the moment itself, and how long until then. */
const timesList = (times) => h("ol", { class: "times" }, ...times.map((time) => h("li", {}, timeElement(time, moment), ` (in ${until(time)})`)));

/** Write the time until a moment in whole seconds; above an hour in whole minutes. */
function until(time) {
  const seconds = Math.max(0, unix(time) - now());
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return duration(seconds < 3600 ? Math.round(seconds) : Math.round(seconds / 60) * 60);
}
