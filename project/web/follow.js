// Follow a job by polling: often at first, then less often, and after errors only as often as the server allows.

import { lookUp, Problem } from "./api.js";

const FIRST_PAUSE = 250; // milliseconds between two requests
const LONGEST_PAUSE = 1500;
const ERROR_PAUSE = 2000; // after an error without Retry-After
const BACKOFF = 1.2;

/** Yield {job} for each successful request until the job has ended, and {problem} for each failed one. */
export async function* follow(location, signal) {
  for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * BACKOFF, LONGEST_PAUSE)) {
    const response = await look(location, signal);
    yield response;
    if (response.job?.ready) return;
    await sleep(response.problem ? (response.problem.retryAfter ?? ERROR_PAUSE) : pause, signal);
  }
}

/** Resolve after some milliseconds, or immediately when the signal aborts. */
export function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => resolve(clearTimeout(timer)), { once: true });
  });
}

async function look(location, signal) {
  try {
    return { job: await lookUp(location, signal) };
  } catch (problem) {
    if (problem instanceof Problem && problem.temporary) return { problem };
    throw problem;
  }
}
