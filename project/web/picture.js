// Draws the parts of the picture with their numbers; pipeline.js decides when.

import { svg } from "./dom.js";
import { count, duration, rate, ticking } from "./format.js";
import { slotPlaces } from "./layout.js";
import { now } from "./live.js";

const SQUARES = 12; // waiting jobs that are drawn one by one
const SMALL = 6.5; // pixels of a character, on average
const BOLD = 8.6; // and in a name

/** Return the drawing of a part. */
export function drawNode(node, frame) {
  const box = svg("rect", { class: "box", width: node.w, height: node.h, rx: 10 });
  return svg("g", { class: `node ${node.kind}`, transform: `translate(${node.x} ${node.y})` }, box, ...DRAW[node.kind](node, frame), svg("title", {}, node.name ?? node.kind));
}

/** Return the labels of the arrows: rates per second at each stage. */
export function drawLabels(picture, frame) {
  const { rates } = frame;
  const total = rates ?? {};
  const labels = [
    label(picture, "producer", rate(total.requests), "HTTP"),
    label(picture, "queue", rate(total.accepted), "accepted"),
    label(picture, "consumer", rate(total.started), "started"),
    label(picture, "results", rate(sum(total.succeeded, total.failed, total.revoked)), "ended"),
  ];
  return labels.flat();
}

const sum = (...numbers) => (numbers.some((number) => number === undefined || number === null) ? null : numbers.reduce((a, b) => a + b, 0));

/** Place a rate above the gap before a stage, or beside the arrow that leads down to it. */
function label({ nodes, wide }, kind, text, word) {
  const stage = [...nodes.values()].filter((node) => node.kind === kind);
  if (!stage.length) return [];
  if (!wide) {
    const y = stage[0].y - 13;
    return [write(24, y, "rate", `↓ ${text}`), write(92, y, "small", word)];
  }
  const before = [...nodes.values()].filter((node) => node.x < stage[0].x);
  const x = (stage[0].x + Math.max(...before.map((node) => node.x + node.w))) / 2;
  return [write(x, 14, "rate middle", `${text} →`), write(x, 30, "small middle", word)];
}

const write = (x, y, kind, ...text) => svg("text", { class: kind, x, y }, ...text);

const DRAW = {
  nginx: (node, frame) => [
    write(14, 24, "name", "NGINX"),
    write(14, 42, "small", `${rate(frame.rates?.requests)} HTTP`),
    write(14, node.h < 60 ? 42 : 60, node.h < 60 ? "none" : "small", `${frame.pages} page${frame.pages === 1 ? "" : "s"} open`),
  ],
  producer: (node) => [
    write(14, 24, "name", "producer"),
    write(14, 42, "small", clip(node.name, node.w - 26)),
    ...(node.data.requests === undefined ? [] : [write(node.w - 12, 24, "small end", rate(node.data.requests))]),
  ],
  queue: drawQueue,
  consumer: drawConsumer,
  results: (node, frame) => {
    const rates = frame.rates ?? {};
    const rows = [["✓", "succeeded", rates.succeeded], ["✕", "failed", rates.failed], ["↻", "retried", rates.retried], ["⊘", "cancelled", rates.revoked]];
    const wide = node.h > 100;
    const place = (index) => (wide ? [14, 50 + index * 25] : [14 + (index % 2) * ((node.w - 20) / 2), 44 + Math.floor(index / 2) * 24]);
    return [
      write(14, 24, "name", "results"),
      ...rows.flatMap(([mark, word, value], index) => {
        const [x, y] = place(index);
        return [write(x, y, `mark ${word}`, mark), write(x + 18, y, "small", `${rate(value)}`), write(x + 62, y, "small", word)];
      }),
    ];
  },
};

function drawQueue({ w, name, data }) {
  const { waiting, delayed, oldest_age: age, limit } = data;
  const places = Math.min(SQUARES, Math.floor((w - 80) / 12)); // the rest of the line is for the number of those not drawn
  const squares = Math.min(waiting ?? 0, places);
  const details = [age === null || age === undefined ? null : `oldest ${ticking(age)}`, delayed ? `${count(delayed)} delayed` : null];
  const full = limit ? ` of ${count(limit)}` : "";
  return [
    write(14, 22, "name", clip(name, w - 80, BOLD)),
    write(w - 12, 24, "depth end", count(waiting)),
    ...Array.from({ length: places }, (_, index) =>
      svg("rect", { class: index < squares ? "job" : "free", x: w - 22 - index * 12, y: 31, width: 9, height: 9, rx: 2 }),
    ),
    ...(waiting > places ? [write(14, 40, "small", `+${count(waiting - places)}`)] : []),
    write(14, 57, "small", details.filter(Boolean).join(" · ") || (waiting ? "" : "empty")),
    ...(full ? [write(w - 12, 57, "small end", full)] : []),
  ];
}

function drawConsumer(node) {
  const { w, name, data } = node;
  const short = name.replace(/@.*$/, "");
  const places = slotPlaces(node);
  const drawn = places.flatMap((place, index) => drawSlot(place, data.busy[index], index < data.busy_total));
  const more = places.length && !places[0].named ? [write(12, node.h - 10, "small", `${count(data.busy_total)} of ${count(data.slots)} slots busy`)] : [];
  const kind = `${data.pool}, ${data.slots} slot${data.slots === 1 ? "" : "s"}`;
  const room = w - 32 - kind.length * SMALL;
  return [write(12, 22, "name", clip(short, room, BOLD)), write(w - 12, 22, "small end", kind), ...drawn, ...more];
}

function drawSlot({ named, x, y, w, h }, job, busy) {
  const rect = svg("rect", { class: busy ? "slot busy" : "slot", x, y, width: w, height: h, rx: named ? 6 : 3, "data-job": job?.job_id });
  if (!named) return [rect];
  if (!busy) return [rect, write(x + 10, y + 16, "small", "free")];
  const task = job ? clip(job.task, w - 90) : "busy";
  const time = job ? ticking(Math.max(0, now() - job.since)) : "";
  return [rect, write(x + 10, y + 16, "task", `▸ ${task}`), write(x + w - 8, y + 16, "task end", time)];
}

/** Cut a text so that it fits, given the average width of a character in pixels. */
function clip(text, width, character = 7) {
  const length = Math.max(4, Math.floor(width / character));
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/** Describe the picture in one sentence. */
export function describeFrame(frame) {
  const waiting = frame.queues.reduce((total, queue) => total + (queue.waiting ?? 0), 0);
  const slots = frame.consumers.reduce((total, consumer) => total + consumer.slots, 0);
  const busy = frame.consumers.reduce((total, consumer) => total + consumer.busy_total, 0);
  const oldest = Math.max(0, ...frame.queues.map((queue) => queue.oldest_age ?? 0));
  const age = oldest ? `, the oldest for ${duration(oldest)}` : "";
  return `${count(waiting)} waiting${age}; ${count(busy)} of ${count(slots)} slots busy; ${rate(frame.rates?.succeeded)} succeed`;
}
