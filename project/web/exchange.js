// Sends a request for an action and shows both sides of it: the curl command and the raw response.

import { curl, describe, send } from "./api.js";
import { h } from "./dom.js";

const SLOW = 1000; // milliseconds after which a missing answer is mentioned

/** Return {element, send, clear}: a panel that sends requests and shows the last one with its response. */
export function exchangePanel() {
  const element = h("div", { class: "exchange" });
  const run = async (request) => {
    const waiting = mentionWaiting(element, request);
    try {
      const answer = await send(request);
      show(element, request, answer);
      return answer;
    } catch (problem) {
      show(element, request, problem.answer, problem);
      throw problem;
    } finally {
      clearInterval(waiting);
    }
  };
  return { element, send: run, clear: () => element.replaceChildren() };
}

/** Return a line with a shell command and a button that copies it. */
export function curlLine(request) {
  const code = h("code", { tabindex: "0", role: "group", "aria-label": "curl command" }, curl(request));
  const button = h("button", { type: "button", class: "small copy", onclick: () => copy(code, button) }, "Copy");
  return h("div", { class: "curl" }, code, button);
}

/** Show that no answer has come yet, and for how long. */
function mentionWaiting(element, request) {
  const start = performance.now();
  const line = h("p", { class: "hint" });
  return setInterval(() => {
    if (performance.now() - start < SLOW) return;
    line.textContent = `The producer has not answered for ${Math.round((performance.now() - start) / 1000)} s …`;
    if (!line.isConnected) element.replaceChildren(line, curlLine(request));
  }, 250);
}

function show(element, request, answer, problem) {
  const status = answer ? `${answer.status} ${NAMES[answer.status] ?? ""}` : describe(problem);
  const kind = problem ? "problem" : "good";
  const text = answer?.text && h("pre", { tabindex: "0", role: "group", "aria-label": "the answer" }, answer.text.slice(0, 4000));
  element.replaceChildren(
    h("p", { class: `answer ${kind}` }, h("span", { "aria-hidden": "true" }, problem ? "✕ " : "✓ "), status.trim()),
    h("details", {}, h("summary", {}, "curl command and raw response"), curlLine(request), text || ""),
  );
}

const NAMES = { 200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 400: "Bad Request", 403: "Forbidden" };
Object.assign(NAMES, { 404: "Not Found", 409: "Conflict", 413: "Content Too Large", 422: "Unprocessable Content" });
Object.assign(NAMES, { 429: "Too Many Requests", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout" });

/** Copy the text and confirm it on the button; without a clipboard (plain http), select the text instead. */
async function copy(element, button) {
  let label = "Copied";
  try {
    await navigator.clipboard.writeText(element.textContent);
  } catch {
    getSelection().selectAllChildren(element);
    label = "Selected";
  }
  button.textContent = label;
  setTimeout(() => (button.textContent = "Copy"), 1500);
}
