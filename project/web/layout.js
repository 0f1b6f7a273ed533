// Computes where the parts of the picture stand: in columns on wide screens, in rows on narrow ones.

export const QUEUES = 6; // the most that are drawn; the busiest come first
export const CONSUMERS = 5;
const WIDE = 1040; // pixels from which the picture has columns
const RAIL = 20; // pixels left of the rows, for the arrows
const TOP = 42; // pixels above the columns, for the rates
const GAP = 10; // pixels between two parts of a stage
const HEIGHTS = { nginx: 92, producer: 62, queue: 66, results: 148 };
const COLUMNS = { nginx: 116, producer: 150, queue: 218, consumer: 262, results: 156 };
const STAGES = ["nginx", "producer", "queue", "consumer", "results"];
const ROW = 24; // height of a slot with its text
const NAMED_SLOTS = 4; // a consumer with more slots shows them as small squares

/** Return {width, height, wide, nodes, edges}; nodes and edges are Maps by key. */
export function layout(width, frame) {
  const wide = width >= WIDE;
  const stages = STAGES.map((kind) => ({ kind, parts: partsOf(kind, frame) }));
  const height = wide ? placeColumns(stages, width) : placeRows(stages, width);
  const nodes = new Map(stages.flatMap(({ parts }) => parts.map((part) => [part.key, part])));
  return { width, height, wide, nodes, edges: edgesOf(stages, wide) };
}

/** Return a string that differs when parts have come, gone or changed their size. */
export const signature = ({ width, nodes }) => [width, ...Array.from(nodes.values(), (node) => `${node.key}:${node.h}`)].join("|");

function partsOf(kind, frame) {
  const part = (name, h, data) => ({ kind, key: `${kind}:${name}`, name, h, data });
  if (kind === "producer") {
    const producers = frame.producers.length ? frame.producers : [{ name: frame.producer }];
    return producers.slice(0, 3).map((producer) => part(producer.name, HEIGHTS.producer, producer));
  }
  if (kind === "queue") return frame.queues.slice(0, QUEUES).map((queue) => part(queue.queue, HEIGHTS.queue, queue));
  if (kind !== "consumer") return [part("", HEIGHTS[kind], frame)];
  const consumers = byName(frame.consumers).slice(0, CONSUMERS);
  return consumers.map((consumer) => part(consumer.name, consumerHeight(consumer), consumer));
}

/** Consumers keep their places, whatever they do. */
const byName = (consumers) => [...consumers].sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));

function consumerHeight({ slots }) {
  if (slots <= NAMED_SLOTS) return 34 + slots * (ROW + 4) + 4;
  return 34 + Math.ceil(Math.min(slots, 45) / 15) * 16 + 26;
}

/** Return the places of a consumer's slots, relative to the consumer. */
export function slotPlaces(node) {
  const { slots } = node.data;
  const named = slots <= NAMED_SLOTS;
  return Array.from({ length: Math.min(slots, 45) }, (_, index) =>
    named
      ? { named, x: 10, y: 34 + index * (ROW + 4), w: node.w - 20, h: ROW }
      : { named, x: 12 + (index % 15) * 16, y: 34 + Math.floor(index / 15) * 16, w: 12, h: 12 },
  );
}

function stageHeight(parts) {
  return parts.reduce((sum, part) => sum + part.h + GAP, -GAP);
}

function placeColumns(stages, width) {
  const used = Object.values(COLUMNS).reduce((sum, column) => sum + column, 2);
  const gap = (width - used) / (STAGES.length - 1);
  const height = TOP + Math.max(230, ...stages.map(({ parts }) => stageHeight(parts))) + 4;
  let x = 1;
  for (const { kind, parts } of stages) {
    let y = TOP + (height - TOP - stageHeight(parts)) / 2;
    for (const part of parts) {
      Object.assign(part, { x, y, w: COLUMNS[kind] });
      y += part.h + GAP;
    }
    x += COLUMNS[kind] + gap;
  }
  return height;
}

function placeRows(stages, width) {
  let y = 2;
  for (const { kind, parts } of stages) {
    for (const part of parts) {
      if (kind === "nginx") part.h = 52;
      if (kind === "results") part.h = 84;
      Object.assign(part, { x: RAIL, y, w: width - RAIL - 1 });
      y += part.h + GAP;
    }
    y += 30;
  }
  return y - 38;
}

/** Return the edges by key; each has a path and the stage that it leads to. */
function edgesOf([nginx, producers, queues, consumers, results], wide) {
  const edges = new Map();
  const add = (stage, from, to) => edges.set(`${from.key}>${to.key}`, { stage, from, to, d: path(from, to, wide) });
  for (const producer of producers.parts) {
    add("producer", nginx.parts[0], producer);
    for (const queue of queues.parts) add("queue", producer, queue);
  }
  for (const consumer of consumers.parts) {
    for (const queue of queues.parts) if (consumer.data.queues.includes(queue.name)) add("consumer", queue, consumer);
    add("results", consumer, results.parts[0]);
  }
  return edges;
}

function path(from, to, wide) {
  if (!wide) {
    const [start, end] = [from.y + from.h / 2, to.y + to.h / 2];
    return `M${from.x} ${start}H7V${end}H${to.x}`;
  }
  const [x1, y1, x2, y2] = [from.x + from.w, from.y + from.h / 2, to.x, to.y + to.h / 2];
  const bend = (x2 - x1) / 2;
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}
