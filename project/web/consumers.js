// The consumers: what each of them serves and does.

import { API, describe, get } from "./api.js";
import { byId, h, replaceItems, setText } from "./dom.js";
import { count, plural, ticking, unix, UNKNOWN } from "./format.js";
import { now } from "./live.js";
import { refresher } from "./refresh.js";

const listing = refresher({
  load: () => get(`${API}/consumers`),
  show,
  fail: (problem) => setText(byId("consumers-note"), describe(problem)),
});

/** The view. */
export const consumersView = {
  section: "view-consumers",
  title: "Consumers",
  open: () => listing.start(),
  close: () => listing.stop(),
};

function show(consumers) {
  replaceItems(byId("consumers-body"), consumers.map(row));
  const slots = consumers.reduce((sum, consumer) => sum + consumer.slots, 0);
  const text = consumers.length ? `${plural(consumers.length, "consumer")} with ${plural(slots, "slot")}. A consumer that stops is listed for up to 8 more seconds.` : "No consumer is running: jobs wait in their queues.";
  setText(byId("consumers-note"), text);
}

function row({ name, pool, slots, queues, busy, up_since: since, done }) {
  const cell = (label, ...content) => h("td", { "data-label": label }, ...content);
  const running = busy.map((job) =>
    h("li", {}, "▸ ", h("a", { href: `#/jobs/${encodeURIComponent(job.job_id)}` }, job.task), ` ${ticking(Math.max(0, now() - unix(job.since)))}`),
  );
  return h(
    "tr",
    { "data-key": name },
    h("th", { scope: "row" }, name),
    cell("queues", queues.join(", ")),
    cell("pool", `${pool}, ${plural(slots, "slot")}`),
    cell("busy", `${busy.length} of ${slots}`),
    cell("current jobs", running.length ? h("ul", { class: "plain" }, ...running) : "none"),
    cell("up for", since ? ticking(Math.max(0, now() - unix(since))) : UNKNOWN),
    cell("jobs done", count(done)),
  );
}
