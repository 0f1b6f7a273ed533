// "Break it": each button first says what should happen; then the page shows it happening.

import { API, describe, get } from "./api.js";
import { confirmed } from "./confirm.js";
import { byId, h, replace, setText } from "./dom.js";
import { curlLine, exchangePanel } from "./exchange.js";
import { refresher } from "./refresh.js";

const NAMES = {
  "kill-consumer": "Kill a consumer",
  "freeze-redis": "Freeze Redis for 5 s",
  "poison-job": "Poison job",
  "slow-consumer": "Slow consumer",
  flood: "Flood of 500 jobs",
};
const BODIES = { flood: { count: 500 } };
const exchange = exchangePanel();
let known = false;
let note = "Each button says first what should happen. Watch the picture above."; // then the effect of the last action

const loading = refresher({ load: () => get(`${API}/chaos`), show, fail: complain, every: 3000, wanted: () => !known });

/** Load what can be broken. */
export function startChaos() {
  byId("chaos-exchange").append(exchange.element);
  loading.start();
}

function complain(problem) {
  byId("chaos").hidden = problem.status === 404; // a producer of an older version
  setText(byId("chaos-note"), describe(problem));
}

function show({ enabled, reason, actions }) {
  known = true;
  setText(byId("chaos-note"), enabled ? note : `Switched off: ${reason}`);
  replace(byId("chaos-buttons"), ...actions.map((action) => button(action, enabled)));
}

function button(action, enabled) {
  const name = NAMES[action.action] ?? action.action;
  const impossible = !enabled || !action.possible;
  const reason = action.possible ? null : action.reason;
  return h("button", { type: "button", "aria-disabled": String(impossible), title: reason, onclick: () => !impossible && run(action, name) }, name);
}

async function run(action, name) {
  const request = { method: "POST", path: action.submit, body: BODIES[action.action] ?? {} };
  if (!(await confirmed(`${name}?`, [`What should happen: ${action.expect}`, curlLine(request)], name))) return;
  try {
    const { body } = await exchange.send(request);
    note = `${body.target ? `${name}: ${body.target}. ` : ""}${body.expect}`;
    setText(byId("chaos-note"), note);
    exchange.element.prepend(...links(body.job_ids));
  } catch {
    // the panel shows the problem
  }
}

const links = (ids) => (ids?.length ? [h("p", {}, "Follow ", h("a", { href: `#/jobs/${encodeURIComponent(ids[0])}` }, "the story of its first job"))] : []);
