// Lets single jobs travel along the arrows of the picture as dots.

import { svg } from "./dom.js";

const LEG = 900; // milliseconds on one arrow at speed 1
const MOST = 80; // dots at a time
const REMEMBERED = 400; // jobs whose last place is known
const SHAPES = { FAILURE: "failed", RETRY: "retried", REVOKED: "cancelled", SUCCESS: "succeeded", STARTED: "running" };

/** Return {add, clear, setSpeed}; the dots are drawn into a layer of the SVG. */
export function createDots(layer) {
  const state = { layer, dots: new Map(), places: new Map(), speed: 1, last: 0, running: false };
  return {
    add: (change, edges) => add(state, change, edges),
    clear: () => clear(state),
    setSpeed: (speed) => {
      state.speed = speed;
      wake(state);
    },
  };
}

function add(state, change, edges) {
  const legs = legsOf(state, change, edges);
  remember(state, change);
  if (!legs.length) return;
  const known = state.dots.get(change.job_id);
  if (known) known.legs.push(...legs);
  else if (state.dots.size < MOST) state.dots.set(change.job_id, { legs, element: null, leg: null, passed: 0 });
  wake(state);
}

/** Return the arrows that a job travels for a change of its status; each is {d, back, shape}. */
function legsOf(state, { job_id: id, status, queue, consumer }, edges) {
  const before = state.places.get(id);
  const shape = SHAPES[status] ?? "waiting";
  const leg = (edge, back = false) => (edge ? [{ d: edge.d, back, shape, h: edge }] : []);
  const from = consumer ?? before?.consumer;
  const fetched = find(edges, (edge) => edge.stage === "consumer" && edge.from.name === queue && (!from || edge.to.name === from));
  if (status === "STARTED") return leg(fetched);
  if (status === "RETRY" || (status === "PENDING" && before)) return leg(fetched, true);
  if (status === "PENDING") {
    const put = find(edges, (edge) => edge.stage === "queue" && edge.to.name === queue);
    return put ? [...leg(find(edges, (edge) => edge.to === put.from)), ...leg(put)] : [];
  }
  return leg(find(edges, (edge) => edge.stage === "results" && (!from || edge.from.name === from)));
}

function remember({ places }, { job_id: id, consumer }) {
  places.delete(id);
  places.set(id, { consumer: consumer ?? undefined });
  if (places.size > REMEMBERED) places.delete(places.keys().next().value);
}

function find(edges, matches) {
  for (const edge of edges.values()) if (matches(edge)) return edge;
  return null;
}

function wake(state) {
  if (state.running || !state.dots.size || !state.speed) return;
  state.running = true;
  state.last = performance.now();
  requestAnimationFrame((time) => step(state, time));
}

function step(state, time) {
  const passed = Math.min(100, time - state.last) * state.speed;
  state.last = time;
  for (const [id, dot] of state.dots) if (!advance(state.layer, dot, passed)) state.dots.delete(id);
  state.running = state.dots.size > 0 && state.speed > 0;
  if (state.running) requestAnimationFrame((next) => step(state, next));
}

/** Move a dot; return whether it still travels. */
function advance(layer, dot, passed) {
  dot.passed += passed;
  if (dot.leg && dot.passed >= LEG) dot.leg = null;
  if (!dot.leg) {
    dot.element?.remove();
    dot.leg = dot.legs.shift();
    if (!dot.leg) return false;
    Object.assign(dot, { passed: 0, path: svg("path", { d: dot.leg.d }), element: draw(dot.leg.shape) });
    dot.length = dot.path.getTotalLength();
    layer.append(dot.element);
  }
  const share = ease(dot.passed / LEG);
  const { x, y } = dot.path.getPointAtLength(dot.length * (dot.leg.back ? 1 - share : share));
  dot.element.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
  return true;
}

const ease = (share) => share * share * (3 - 2 * share);

/** Draw failed jobs as diamonds and retried ones as triangles, so that they differ by more than their colour. */
function draw(shape) {
  if (shape === "failed" || shape === "cancelled") return svg("path", { class: `dot ${shape}`, d: "M0-6 6 0 0 6-6 0Z" });
  if (shape === "retried") return svg("path", { class: `dot ${shape}`, d: "M0-6 6 5H-6Z" });
  return svg("circle", { class: `dot ${shape}`, r: 5 });
}

function clear(state) {
  for (const { element } of state.dots.values()) element?.remove();
  state.dots.clear();
}
