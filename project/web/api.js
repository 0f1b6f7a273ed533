// Calls the producer's HTTP API; no other module does, except live.js for the stream.

export const API = "/producer/api";
const PATIENCE = 15_000; // milliseconds until a request without an answer is given up

/** An error response (RFC 9457); status 0 means that there was no response. */
export class Problem extends Error {
  constructor({ status, title, detail, errors = [] }) {
    super(detail);
    Object.assign(this, { status, title, errors });
  }

  /** Whether the same request may succeed later. */
  get temporary() {
    return [0, 429, 502, 503, 504].includes(this.status);
  }
}

/** Describe a problem in one line. */
export function describe(problem) {
  if (!(problem instanceof Problem)) return String(problem.message ?? problem);
  return `${problem.status || ""} ${problem.title}: ${problem.message}`.trim();
}

/** Return the body of a GET; the query leaves out empty values. */
export const get = async (path, query, signal) => (await send({ method: "GET", path: withQuery(path, query) }, signal)).body;

/**
 * Send a request {method, path, body, headers}; return {status, location, body, text}.
 * text: the raw body of the response.
 */
export async function send(request, signal) {
  const response = await fetchResponse(request, signal);
  const text = await response.text();
  const body = parse(text);
  if (!response.ok) throw Object.assign(problemOf(response, body), { answer: { status: response.status, text } });
  return { status: response.status, location: response.headers.get("Location"), body, text };
}

/** Return a path with the query parameters that have a value. */
export function withQuery(path, query = {}) {
  const filled = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return filled.length ? `${path}?${new URLSearchParams(filled)}` : path;
}

/** Return the shell command that sends the same request. */
export function curl({ method, path, body, headers = {} }) {
  const words = ["curl"];
  if (method !== "GET") words.push("-X", method);
  words.push(quote(new URL(path, location.origin).href));
  if (body !== undefined) words.push("-H", quote("Content-Type: application/json"), "-d", quote(JSON.stringify(body)));
  for (const [name, value] of Object.entries(headers)) words.push("-H", quote(`${name}: ${value}`));
  return words.join(" ");
}

/** Return a job's address in the API. */
export const jobPath = (id, rest = "") => `${API}/jobs/${encodeURIComponent(id)}${rest}`;

const quote = (word) => (/^[\w:/.-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`);

async function fetchResponse({ method, path, body, headers = {} }, signal) {
  const limit = AbortSignal.timeout(PATIENCE);
  const options = { method, headers: { ...headers }, cache: "no-store", signal: signal ? AbortSignal.any([signal, limit]) : limit };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ status: 0, title: "No response", detail: "The producer does not answer. Is the stack running?" });
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function problemOf(response, body) {
  const nothing = { status: response.status, title: response.statusText, detail: "The response has no explanation." };
  return new Problem({ ...nothing, ...body });
}
