// Repeats a request for a view while frames arrive; there are never two requests for the same data at a time.

import { onFrame } from "./live.js";

/**
 * Return {start, stop, refresh}. Without frames (paused, hidden, stack down) it sends nothing by itself.
 *
 * load: returns a promise of the data; show, fail: what to do with it or with the problem;
 * every: milliseconds between two requests; wanted: whether a frame makes a request necessary.
 */
export function refresher({ load, show, fail, every = 1000, wanted = () => true }) {
  const state = { open: false, busy: false, due: false, last: 0, generation: 0 };

  async function refresh() {
    state.due = true;
    if (state.busy || !state.open) return;
    Object.assign(state, { busy: true, due: false, last: performance.now() });
    const generation = state.generation;
    const current = () => state.open && state.generation === generation;
    try {
      const data = await load();
      if (current()) show(data);
    } catch (problem) {
      if (current()) fail(problem);
      state.due = current() && problem.temporary !== false;
    }
    state.busy = false;
    if (state.generation !== generation) refresh(); // start() was called meanwhile: other data is wanted now
  }

  onFrame((frame) => {
    if (!state.open) return;
    state.due ||= Boolean(frame.history) || wanted(frame); // a frame with history begins a new stream
    if (state.due && performance.now() - state.last >= every) refresh();
  });

  /** Start, or restart because `load` now asks for other data. */
  const start = () => {
    state.open = true;
    state.generation++;
    refresh();
  };
  const stop = () => (state.open = false);
  return { start, stop, refresh };
}
