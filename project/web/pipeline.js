// Shows the picture of the stack: dots for single jobs at low rates, flows at high ones, numbers always.

import { byId, h, replace, setText, svg } from "./dom.js";
import { createDots } from "./dots.js";
import { count, rate, ticking } from "./format.js";
import { CONSUMERS, QUEUES, layout, signature } from "./layout.js";
import { live, now, onFrame } from "./live.js";
import { describeFrame, drawLabels, drawNode } from "./picture.js";
import { go } from "./router.js";

const TO_FLOWS = 30; // jobs per second above which dots become flows
const TO_DOTS = 20; // below which flows become dots again
const FIELDS = { oldest_age: "the age of the oldest job" };
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const root = byId("picture");
const layers = { edges: svg("g", { class: "edges" }), nodes: svg("g"), labels: svg("g"), dots: svg("g") };
const dots = createDots(layers.dots);
const shown = { picture: null, signature: "", flows: false, width: 0 };

/** Start to draw frames. */
export function startPipeline() {
  root.append(layers.edges, layers.labels, layers.nodes, layers.dots);
  new ResizeObserver(() => live.frame && draw(live.frame)).observe(root.parentElement);
  for (const input of document.querySelectorAll("input[name=speed]")) {
    input.addEventListener("change", () => dots.setSpeed(Number(input.value)));
  }
  root.addEventListener("click", ({ target }) => target.dataset.job && go(`#/jobs/${encodeURIComponent(target.dataset.job)}`));
  onFrame(draw);
}

function draw(frame) {
  const width = Math.round(root.parentElement.clientWidth);
  if (width < 100) return; // another view is shown
  const picture = layout(width, frame);
  if (signature(picture) !== shown.signature) drawEdges(picture);
  shown.picture = picture;
  layers.nodes.replaceChildren(...Array.from(picture.nodes.values(), (node) => drawNode(node, frame)));
  layers.labels.replaceChildren(...drawLabels(picture, frame));
  drawMotion(frame, picture);
  setText(byId("picture-text"), describeFrame(frame));
  setText(byId("picture-note"), note(frame));
  if (byId("twin").open) drawTwin(frame);
}

function drawEdges(picture) {
  shown.signature = signature(picture);
  root.setAttribute("viewBox", `0 0 ${picture.width} ${picture.height}`);
  root.setAttribute("width", picture.width);
  root.setAttribute("height", picture.height);
  dots.clear();
  layers.edges.replaceChildren(
    ...Array.from(picture.edges, ([key, { d, stage }]) => svg("path", { d, class: "edge", "data-key": key, "data-stage": stage })),
  );
}

function drawMotion(frame, picture) {
  const fastest = Math.max(frame.rates?.accepted ?? 0, frame.rates?.started ?? 0, frame.rates?.succeeded ?? 0);
  if (fastest > TO_FLOWS) shown.flows = true;
  else if (fastest < TO_DOTS) shown.flows = false;
  const flows = shown.flows && !calm.matches;
  root.dataset.mode = calm.matches ? "numbers" : flows ? "flows" : "dots";
  if (flows) drawFlows(frame);
  if (root.dataset.mode !== "dots") return dots.clear();
  for (const change of frame.changes.jobs) dots.add(change, picture.edges);
}

/** Give each arrow the width of its rate; an arrow without jobs does not move. */
function drawFlows(frame) {
  const queues = new Map(frame.queues.map((queue) => [queue.queue, queue.rates]));
  const busy = new Map(frame.consumers.map((consumer) => [consumer.name, consumer.busy_total]));
  // if all consumers look idle, their jobs are shorter than the time between two frames
  const resting = [...busy.values()].every((jobs) => !jobs);
  const works = ({ name }) => resting || busy.get(name);
  const gets = ({ queues: names }) => names?.some((name) => queues.get(name)?.started);
  const fed = new Set(frame.consumers.filter(gets).map(({ name }) => name));
  const measure = {
    producer: () => frame.rates?.requests,
    queue: ({ to }) => queues.get(to.name)?.accepted,
    consumer: ({ from, to }) => works(to) && queues.get(from.name)?.started,
    results: ({ from }) => works(from) && fed.has(from.name) && frame.rates?.succeeded,
  };
  for (const path of layers.edges.children) {
    const edge = shown.picture.edges.get(path.dataset.key);
    const value = (edge && measure[edge.stage](edge)) || 0;
    path.classList.toggle("moving", value > 0.5);
    path.setAttribute("stroke-width", value > 0.5 ? Math.min(7, 1.5 + Math.log10(1 + value) * 1.6).toFixed(1) : 1.5);
  }
}

/** Say what the picture leaves out. */
function note(frame) {
  const { total, shown: sent } = frame.changes;
  const ended = rate((frame.rates?.succeeded ?? 0) + (frame.rates?.failed ?? 0));
  const parts = [];
  if (calm.matches) parts.push("Numbers only, because your system asks for reduced motion.");
  else if (shown.flows) parts.push(`Flows: ${ended} jobs end; single jobs travel as dots below ${TO_DOTS}/s.`);
  else parts.push("Each dot is a job.");
  if (total > sent) parts.push(`1 in ${count(Math.round(total / Math.max(1, sent)))} changes drawn.`);
  const hidden = [[frame.queues_total - QUEUES, "queue"], [frame.consumers_total - CONSUMERS, "consumer"]].filter(([more]) => more > 0);
  for (const [more, noun] of hidden) parts.push(`${more} more ${noun}${more === 1 ? "" : "s"} not drawn.`);
  if (frame.unknown.length) parts.push(`This broker does not report: ${frame.unknown.map((field) => FIELDS[field] ?? field).join(", ")}.`);
  return parts.join(" ");
}

/** Write the picture as two tables. */
function drawTwin(frame) {
  const cells = (...texts) => h("tr", {}, h("th", { scope: "row" }, texts[0]), ...texts.slice(1).map((text) => h("td", {}, text)));
  const age = (seconds) => (seconds === null ? "–" : ticking(seconds));
  const rates = (queue) => [rate(queue.rates?.accepted), rate(queue.rates?.started), rate(queue.rates?.succeeded), rate(queue.rates?.failed)];
  replace(
    byId("twin-queues"),
    ...frame.queues.map((queue) => cells(queue.queue, count(queue.waiting), count(queue.running), age(queue.oldest_age), ...rates(queue))),
  );
  replace(byId("twin-slots"), ...frame.consumers.flatMap((consumer) => slotRows(consumer, cells)));
}

function slotRows({ name, slots, busy, busy_total: total }, cells) {
  return Array.from({ length: Math.min(slots, 32) }, (_, index) => {
    const job = busy[index];
    const link = job ? h("a", { href: `#/jobs/${encodeURIComponent(job.job_id)}` }, job.task) : index < total ? "busy" : "free";
    return cells(name, String(index + 1), link, job ? ticking(Math.max(0, now() - job.since)) : "–");
  });
}
