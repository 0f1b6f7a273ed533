// Sets queueing theory beside what is measured: utilisation and Little's law for each group of consumers.

import { byId, h, replace } from "./dom.js";
import { duration, rate } from "./format.js";
import { onFrame } from "./live.js";

/** Start to show the theory of each frame. */
export function startTheory() {
  onFrame((frame) => {
    if (byId("theory").clientWidth) replace(byId("theory"), ...frame.theory.map(show));
  });
}

function show(group) {
  const { queues, slots, arrival_rate: arrivals, capacity, utilisation, mean_run: run, mean_wait: wait, l, lambda_w: product } = group;
  return h(
    "li",
    { class: "card" },
    h("h3", {}, queues.join(", ")),
    h("p", { class: "sentence" }, group.sentence),
    bar(utilisation),
    h(
      "dl",
      { class: "facts" },
      fact("arrivals λ", rate(arrivals)),
      fact("slots", String(slots)),
      fact("capacity", rate(capacity)),
      fact("mean wait", duration(wait)),
      fact("mean run time", duration(run)),
      fact("L measured", digits(l)),
      fact("L = λ · W", digits(product)),
    ),
  );
}

const fact = (term, value) => h("div", {}, h("dt", {}, term), h("dd", {}, value));
const digits = (number) => (number === null || number === undefined ? "–" : number.toFixed(1));

function bar(utilisation) {
  const known = utilisation !== null && utilisation !== undefined;
  const text = known ? `ρ = ${(utilisation * 100).toFixed(0)} %` : "ρ unknown: no job has ended";
  const meter = meterOf(known ? Math.min(1, utilisation) : 0, known && utilisation >= 1);
  return h("div", { class: "rho" }, meter, h("span", {}, text));
}

function meterOf(share, over) {
  return h("progress", { max: "1", value: share.toFixed(3), class: over ? "over" : null, "aria-label": "utilisation" });
}
