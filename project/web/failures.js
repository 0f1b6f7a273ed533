// The failed jobs in groups: the same task and the same type of error.

import { API, describe, get, withQuery } from "./api.js";
import { byId, h, replaceItems, setText } from "./dom.js";
import { count, moment, plural, timeElement } from "./format.js";
import { refresher } from "./refresh.js";

const listing = refresher({
  load: () => get(`${API}/failures`),
  show,
  fail: (problem) => setText(byId("failures-note"), describe(problem)),
  every: 1000,
  wanted: (frame) => frame.changes.jobs.some(({ status }) => status === "FAILURE") || frame.changes.total > frame.changes.shown,
});

/** The view. */
export const failuresView = {
  section: "view-failures",
  title: "Failures",
  open: () => listing.start(),
  close: () => listing.stop(),
};

function show({ groups, groups_total: total, searched }) {
  replaceItems(byId("failures-body"), groups.map(row));
  const parts = [groups.length ? "" : "No failures among the recent jobs."];
  if (total > groups.length) parts.push(`The newest ${groups.length} of ${count(total)} groups.`);
  if (searched) parts.push(`Searched ${count(searched.jobs)} of ${plural(searched.of, "recent job")}${searched.complete ? "" : "; the search stopped at its time limit"}.`);
  setText(byId("failures-note"), parts.filter(Boolean).join(" "));
}

function row({ task, error_type: type, count: number, first_seen: first, last_seen: last, latest, message }) {
  const jobs = withQuery("#/jobs", { status: "FAILURE", task, error_type: type });
  const cell = (name, ...content) => h("td", { "data-label": name, class: name.replace(" ", "-") }, ...content);
  return h(
    "tr",
    { "data-key": `${task} ${type}` },
    h("th", { scope: "row" }, h("b", {}, task), " ", h("span", { class: "wrong" }, `✕ ${type}`)),
    cell("jobs", h("a", { href: jobs }, plural(number, "job"))),
    cell("message", message, " ", h("a", { href: `#/jobs/${encodeURIComponent(latest)}` }, "latest")),
    cell("first seen", timeElement(first, moment)),
    cell("last seen", timeElement(last, moment)),
  );
}
