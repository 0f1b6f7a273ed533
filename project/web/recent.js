// The newest jobs beside the form, and the badge that says whether the page is live or since when it is stale.

import { API, describe, get } from "./api.js";
import { byId, replace, replaceItems, setText } from "./dom.js";
import { clock } from "./format.js";
import { onState, setPaused } from "./live.js";
import { refresher } from "./refresh.js";
import { jobRow } from "./rows.js";

const SHOWN = 9;
const MARKS = { live: "●", connecting: "○", paused: "❚❚", hidden: "❚❚", stale: "▲", down: "✕" };

const listing = refresher({
  load: () => get(`${API}/jobs`, { limit: SHOWN }),
  show: ({ jobs }) => {
    byId("recent-empty").hidden = jobs.length > 0;
    replaceItems(byId("recent"), jobs.map((job) => jobRow(job)));
  },
  fail: (problem) => setText(byId("recent-empty"), describe(problem)),
  every: 300,
  wanted: (frame) => frame.changes.total > 0,
});

/** The first page. */
export const pipelineView = {
  section: "view-pipeline",
  title: "Pipeline",
  open: () => listing.start(),
  close: () => listing.stop(),
};

/** Show the state of the connection and let the viewer pause it. */
export function startBadge() {
  let last = null; // unix seconds of the last frame
  const button = byId("pause");
  button.addEventListener("click", () => setPaused(button.getAttribute("aria-pressed") !== "true"));
  onState(({ state, detail, frame }) => {
    if (frame) last = frame.at;
    const badge = byId("live");
    badge.dataset.state = state;
    replace(badge, textOf(state, detail, last));
    button.setAttribute("aria-pressed", String(state === "paused"));
    setText(button, state === "paused" ? "Resume" : "Pause");
    showBanner(state, detail, last);
  });
}

function textOf(state, detail, last) {
  const since = state === "stale" ? Number(detail) : last;
  const words = { live: "live", connecting: "connecting", paused: "paused", hidden: "paused (hidden)", stale: "stale", down: "stale" };
  const age = since && state !== "live" && state !== "connecting" ? ` since ${clock(since)}` : "";
  return document.createTextNode(`${MARKS[state]} ${words[state]}${age}`);
}

function showBanner(state, detail, last) {
  const banner = byId("banner");
  banner.hidden = state !== "down" && state !== "stale";
  if (state === "down") setText(banner, detail);
  if (state === "stale") setText(banner, `The broker has not answered since ${clock(Number(detail))}; the numbers are the last known ones.`);
}
