// Keeps the picture of the stack up to date: one snapshot, then a stream of snapshots (server-sent events).

import { API, Problem, get } from "./api.js";

const RETRY = 3; // seconds until the next attempt after an error
const SILENCE = 4000; // milliseconds without a frame after which the stream counts as broken; the idle rate is 1/s
const HIDDEN = 5000; // milliseconds after which a hidden tab closes its stream

/** What the page knows: the state of the connection and the last frame. */
export const live = { state: "connecting", detail: "", frame: null, offset: 0 };

const frameListeners = new Set();
const stateListeners = new Set();
let connection = null; // the AbortController of the running connection
let paused = false;
let hiding = null;

/** Call a function with each frame (and with the last one, if there is one); return a function that stops this. */
export function onFrame(listener) {
  frameListeners.add(listener);
  if (live.frame) listener(live.frame);
  return () => frameListeners.delete(listener);
}

/** Call a function whenever the state of the connection changes. */
export function onState(listener) {
  stateListeners.add(listener);
  listener(live);
}

/** Return the server's time in unix seconds; the viewer's clock may be wrong. */
export const now = () => Date.now() / 1000 + live.offset;

/** Pause: send no requests until setPaused(false), which connects again. */
export function setPaused(wanted) {
  paused = wanted;
  if (paused) disconnect("paused");
  else connect();
}

/** Connect, and disconnect while the tab is hidden. */
export function start() {
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(() => !paused && disconnect("hidden"), HIDDEN);
    else if (!paused && !connection) connect();
  });
  connect();
}

function disconnect(state) {
  connection?.abort();
  connection = null;
  change(state);
}

async function connect() {
  connection?.abort();
  const mine = (connection = new AbortController());
  change("connecting");
  while (!mine.signal.aborted) {
    try {
      await receive(mine.signal);
    } catch (error) {
      if (!mine.signal.aborted) await waitToRetry(error, mine.signal);
    }
  }
}

/** Receive frames until the stream breaks, which is an error. */
async function receive(signal) {
  const attempt = new AbortController();
  const either = AbortSignal.any([signal, attempt.signal]);
  let watchdog = setTimeout(() => attempt.abort(), SILENCE);
  const accept = (frame) => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => attempt.abort(), SILENCE);
    if (!signal.aborted) publish(frame);
  };
  try {
    const stream = await openStream(either); // first: without a stream nothing on the page may look live
    accept(await get(`${API}/overview`, {}, either));
    for await (const frame of readFrames(stream)) accept(frame);
    throw new Problem({ status: 0, title: "Stream ended", detail: "the producer ended the stream" });
  } finally {
    clearTimeout(watchdog);
    attempt.abort();
  }
}

async function openStream(signal) {
  const response = await fetch(`${API}/overview/events`, { cache: "no-store", signal });
  if (response.ok) return response.body;
  throw new Problem({ status: response.status, title: "", detail: "", ...(await response.json().catch(() => ({}))) });
}

async function* readFrames(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const events = (rest + part.value).split(/\r?\n\r?\n/);
    rest = events.pop();
    for (const event of events) {
      const data = event.split(/\r?\n/).filter((line) => line.startsWith("data:"));
      if (data.length) yield JSON.parse(data.map((line) => line.slice(5)).join("\n"));
    }
  }
}

function publish(frame) {
  live.offset = frame.at - Date.now() / 1000;
  live.frame = frame;
  if (frame.stale_since) change("stale", String(frame.stale_since));
  else change("live");
  for (const listener of frameListeners) listener(frame);
}

/** Count down to the next attempt. */
async function waitToRetry(error, signal) {
  const reason = error instanceof Problem && error.status === 429 ? error.message : "The producer does not answer";
  for (let seconds = RETRY; seconds > 0 && !signal.aborted; seconds--) {
    change("down", `${reason.replace(/\.$/, "")}; retrying in ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

function change(state, detail = "") {
  if (live.state === state && live.detail === detail) return;
  Object.assign(live, { state, detail });
  for (const listener of stateListeners) listener(live);
}
