// Draws the life of a job: one lane for each thing that can happen to it; long gaps are compressed.

import { h, svg } from "./dom.js";
import { clock, duration, unix } from "./format.js";
import { now } from "./live.js";

const LONGEST = 60; // seconds; a longer stretch in which nothing changes is drawn shorter
const ROW = 34; // pixels
const LEFT = 92; // pixels for the names of the lanes
const LANES = [
  { lane: "waiting", name: "waiting", topic: "waiting" },
  { lane: "running", name: "running", topic: "running" },
  { lane: "retry_delay", name: "retry delay", topic: "retry" },
  { lane: "lost_lease", name: "lost lease", topic: "lease" },
];

/** Return the lane of a step with its name and the topic that explains it. */
export const laneOf = (step) => LANES.find(({ lane }) => lane === step.lane) ?? { name: step.lane, topic: "waiting" };

/** Return the drawing for the steps of a job, as wide as its place; leases: whether the broker has them. */
export function drawTimeline(timeline, width, leases) {
  const steps = timeline.map((step) => ({ ...step, start: unix(step.from), end: unix(step.to) ?? Math.max(now(), unix(step.from)) }));
  if (!steps.length) return h("p", { class: "hint" }, "Nothing is known about the times of this job.");
  const scale = createScale(steps, width - LEFT - 2);
  const lanes = LANES.map((each) => (each.lane === "lost_lease" && !leases ? { ...each, name: "no leases" } : each));
  const height = LANES.length * ROW + 24;
  return svg(
    "svg",
    { width, height, viewBox: `0 0 ${width} ${height}`, class: "timeline", role: "img", "aria-label": "The timeline of this job; the steps below say the same" },
    ...lanes.flatMap(({ name, lane }, index) => drawLane(name, lane, index, steps, scale, width)),
    ...scale.breaks.map(({ x, seconds }) => drawBreak(x, seconds, height)),
    svg("text", { class: "small", x: LEFT, y: height - 4 }, clock(scale.start)),
    scale.breaks.every(({ x }) => x < width - 120) ? svg("text", { class: "small end", x: width - 2, y: height - 4 }, clock(scale.end)) : null,
  );
}

/** Return {x, breaks, start, end}; x gives the place of a time, breaks the middles of compressed stretches. */
export function createScale(steps, width) {
  const times = [...new Set(steps.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
  const stretches = times.slice(1).map((time, index) => ({ from: times[index], length: time - times[index] }));
  const longest = stretches.map(({ length }) => length).filter((length) => length <= LONGEST);
  const total = longest.reduce((sum, length) => sum + length, 0);
  const compressed = Math.max(total * 0.25, 0.2); // a compressed stretch is a quarter as long as all others
  let place = 0;
  for (const stretch of stretches) {
    stretch.place = place;
    stretch.shown = stretch.length > LONGEST ? compressed : stretch.length;
    place += stretch.shown;
  }
  const factor = width / (place || 1);
  const x = (time) => {
    const stretch = stretches.findLast(({ from }) => from <= time);
    return LEFT + (stretch ? stretch.place + Math.min(1, (time - stretch.from) / (stretch.length || 1)) * stretch.shown : 0) * factor;
  };
  const breaks = stretches
    .filter(({ length }) => length > LONGEST)
    .map(({ place: at, shown, length }) => ({ x: LEFT + (at + shown / 2) * factor, seconds: length }));
  return { x, breaks, start: times[0], end: times.at(-1) };
}

function drawLane(name, lane, index, steps, scale, width) {
  const y = index * ROW;
  const bars = steps.filter((step) => step.lane === lane).map((step) => drawBar(step, scale, y));
  return [
    svg("rect", { class: "lane", x: LEFT, y: y + 4, width: width - LEFT, height: ROW - 8, rx: 5 }),
    svg("text", { class: "lane-name", x: 0, y: y + 21 }, name),
    ...bars.flat(),
  ];
}

function drawBar({ lane, start, end, to, run }, { x }, y) {
  const width = Math.max(4, x(end) - x(start));
  const title = svg("title", {}, `${lane.replace("_", " ")}, attempt ${run ?? "–"}: ${duration(end - start)}`);
  const rect = svg("rect", { class: `bar ${lane}${to ? "" : " open"}`, x: x(start), y: y + 6, width, height: ROW - 12, rx: 4 }, title);
  const text = duration(end - start);
  return width > text.length * 7 + 12 ? [rect, svg("text", { class: "bar-text", x: x(start) + 7, y: y + 21 }, text)] : [rect];
}

function drawBreak(x, seconds, height) {
  const line = (shift) => svg("path", { class: "break", d: `M${x + shift} 0l-4 ${height - 24}` });
  return svg("g", {}, svg("rect", { class: "break-ground", x: x - 3, y: 0, width: 6, height: height - 24 }), line(-3), line(3), svg("text", { class: "small middle", x, y: height - 4 }, `⋯ ${duration(seconds)} ⋯`));
}
