// Follow a job by asking again and again: often at first, then less, and only as often as a troubled server allows.

import { lookUp, Problem } from "./api.js";

const SHORTEST = 250; // milliseconds between two questions
const LONGEST = 1500;
const TROUBLED = 2000; // when the server does not say how long to wait
const SLOWER = 1.2;

/** Yield {job} for every look at the job until it has ended, and {problem} for every one that did not work. */
export async function* follow(location, signal) {
  for (let pause = SHORTEST; ; pause = Math.min(pause * SLOWER, LONGEST)) {
    const seen = await look(location, signal);
    yield seen;
    if (seen.job?.ready) return;
    await sleep(seen.problem ? (seen.problem.retryAfter ?? TROUBLED) : pause, signal);
  }
}

/** Resolve after some milliseconds, or at once when the signal says that nobody waits any more. */
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
    if (problem instanceof Problem && problem.passing) return { problem };
    throw problem;
  }
}
