// Calls the producer's HTTP API; no other module does.

/** An error response (RFC 9457); status 0 means that there was no response. */
export class Problem extends Error {
  constructor({ status, title, detail, errors = [] }, retryAfter = null) {
    super(detail);
    Object.assign(this, { status, title, errors, retryAfter });
  }

  /** Whether the same request may succeed later. */
  get temporary() {
    return [0, 429, 502, 503, 504].includes(this.status);
  }
}

/** Return the catalogue of tasks. */
export const listTasks = async () => (await call("producer/api/tasks")).json();

/** Return the current state of a job. */
export const lookUp = async (location, signal) => (await call(location, { signal })).json();

/** Submit a job; return the accepted job and its location. */
export async function submit(task, args) {
  const headers = { "Content-Type": "application/json" };
  const response = await call(task.submit, { method: "POST", headers, body: JSON.stringify(args) });
  return { ...(await response.json()), location: response.headers.get("Location") };
}

/** Return the shell command that submits the same job. */
export function curl(task, args) {
  const body = JSON.stringify(args).replaceAll("'", String.raw`'\''`);
  return `curl -X POST ${new URL(task.submit, document.baseURI)} -H 'Content-Type: application/json' -d '${body}'`;
}

async function call(address, options) {
  const response = await fetch(address, { cache: "no-store", ...options }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Problem({ status: 0, title: "No response", detail: "NGINX does not answer. Is the stack running?" });
  });
  if (response.ok) return response;
  const seconds = Number(response.headers.get("Retry-After"));
  throw new Problem(await body(response), seconds > 0 ? seconds * 1000 : null);
}

async function body(response) {
  const nothing = { status: response.status, title: response.statusText, detail: "The response has no explanation." };
  return { ...nothing, ...(await response.json().catch(() => ({}))) };
}
