// Draws the charts of the last five minutes.

import { byId, h, replace, setText, svg } from "./dom.js";
import { count, duration, rate } from "./format.js";
import { onFrame } from "./live.js";

const SPAN = 300; // seconds
const HEIGHT = 120; // pixels
const LEFT = 46; // pixels for the numbers of the axis
const CHARTS = [
  { title: "Jobs per second", write: rate, lines: [["arrivals", "arrive"], ["completions", "complete"], ["failures", "fail"]] },
  { title: "Waiting time", write: duration, lines: [["wait_p50", "median"], ["wait_p95", "95th percentile"]] },
  { title: "Run time", write: duration, lines: [["run_p50", "median"], ["run_p95", "95th percentile"]] },
  { title: "Depth: waiting and running", write: count, lines: [["depth", "jobs"]] },
];
const rows = []; // one per second, oldest first

/** Start to collect points and to draw them. */
export function startCharts() {
  const drawings = CHARTS.map(createChart);
  byId("charts").append(...drawings.map(({ element }) => element));
  onFrame((frame) => {
    if (frame.history) load(frame.history);
    const fresh = frame.point && frame.point.at > (rows.at(-1)?.at ?? 0);
    if (fresh) rows.push(frame.point);
    while (rows.length && rows[0].at < frame.at - SPAN) rows.shift();
    if (fresh || frame.history) for (const { draw } of drawings) draw(frame.at);
  });
}

/** Take the history, which comes as columns. */
function load(history) {
  const names = Object.keys(history);
  rows.length = 0;
  history.at.forEach((_, index) => rows.push(Object.fromEntries(names.map((name) => [name, history[name][index]]))));
}

function createChart({ title, write, lines }) {
  const drawing = svg("svg", { class: "chart", height: HEIGHT, role: "img", "aria-label": title });
  const values = lines.map(() => h("b", {}, "–"));
  const legend = lines.map(([, word], index) => h("li", { class: `line${index}` }, key(index), `${word} `, values[index]));
  const element = h("figure", { class: "card plot" }, h("figcaption", {}, h("h3", {}, title), h("ul", { class: "legend" }, legend)), drawing);
  const draw = (at) => {
    const width = element.clientWidth - 32;
    if (width < 60) return;
    drawing.setAttribute("width", width);
    const top = highest(lines);
    replace(drawing, ...axis(width, top, write), ...lines.map(([name], index) => line(name, index, at, width, top)));
    lines.forEach(([name], index) => setText(values[index], write(rows.at(-1)?.[name] ?? null)));
    drawing.setAttribute("aria-label", `${title}, last five minutes: ${lines.map(([, word], index) => `${word} ${values[index].textContent}`).join(", ")}`);
  };
  return { element, draw };
}

/** Lines differ by their dashes, too. */
const key = (index) => svg("svg", { width: 22, height: 10, "aria-hidden": "true" }, svg("path", { class: `line line${index}`, d: "M0 5H22" }));

/** Return the end of the axis: 1, 2 or 5 times a power of ten. */
function highest(lines) {
  const most = Math.max(...rows.flatMap((row) => lines.map(([name]) => row[name] ?? 0)), 0);
  if (!most) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return power * [1, 2, 5, 10].find((step) => step * power >= most * 0.999);
}

function axis(width, top, write) {
  const text = (x, y, anchor, words) => svg("text", { x, y, class: `small ${anchor}` }, words);
  const rule = (y) => svg("path", { class: "rule", d: `M${LEFT} ${y}H${width}` });
  const base = HEIGHT - 18;
  return [
    rule(10), rule((10 + base) / 2), rule(base),
    text(LEFT - 6, 14, "end", write(top)), text(LEFT - 6, base + 4, "end", "0"),
    text(LEFT, HEIGHT - 3, "", "−5 min"), text(width, HEIGHT - 3, "end", "now"),
  ];
}

/** Return the line of a column; seconds without a point are gaps. */
function line(name, index, at, width, top) {
  const base = HEIGHT - 18;
  let before = null;
  const steps = rows.map((row) => {
    if (row[name] === null || row[name] === undefined) return (before = null), "";
    const x = width - ((at - row.at) / SPAN) * (width - LEFT);
    const y = base - (row[name] / top) * (base - 10);
    const step = `${before !== null && row.at - before <= 2 ? "L" : "M"}${Math.max(LEFT, x).toFixed(1)} ${y.toFixed(1)}`;
    before = row.at;
    return step;
  });
  return svg("path", { class: `line line${index}`, d: steps.join("") || "M0 0" });
}
