// Tells screen readers what happens, at most one message in five seconds.

import { byId } from "./dom.js";

const PAUSE = 5000; // milliseconds between two messages
let waiting = null;
let last = -PAUSE;
let timer = null;

/** Say a message, or the newest of those that come within five seconds. */
export function announce(message) {
  waiting = message;
  timer ??= setTimeout(say, Math.max(0, last + PAUSE - performance.now()));
}

function say() {
  timer = null;
  last = performance.now();
  byId("announcer").textContent = waiting;
}
