// The tour: at most five steps that submit a job and follow it. It opens by itself on the first visit only.

import { byId, setText } from "./dom.js";
import { go } from "./router.js";
import { recall, remember } from "./store.js";
import { catalogue, submitTask } from "./submit.js";

const STORE = "tour";
const STEPS = [
  { target: "pipeline-card", next: "Next", text: "This is the stack, live. Jobs come in on the left, wait in a queue, run in a slot of a consumer, and end on the right." },
  { target: "submit", next: "Submit one", text: "A job is one call of a task. The next step submits count_primes, which takes a moment: watch the picture." },
  { target: "pipeline-card", next: "Show its story", text: "Your job travels from NGINX to a queue. A free slot fetches it and shows how long it has been running." },
  { target: "story-card", next: "Next", text: "Everything that happens to a job is written down here: waiting, running, retries, lost leases, and its record in Redis." },
  { target: "chaos", next: "Done", text: "Now break something. Accepted jobs survive a killed consumer and a frozen Redis, and you can watch how." },
];
const box = byId("tour");
let step = 0;
let job = null;

/** Open the tour on the first visit, and whenever the visitor asks for it. */
export function startTour() {
  byId("tour-skip").addEventListener("click", close);
  byId("tour-next").addEventListener("click", next);
  byId("tour-open").addEventListener("click", () => open(0));
  box.addEventListener("keydown", ({ key }) => key === "Escape" && close());
  if (recall(STORE)) return;
  remember(STORE, "seen");
  if (!location.hash || location.hash === "#/") open(0, { focus: false });
}

function open(index, { focus = true } = {}) {
  step = index;
  if (step !== 3) go("#/");
  box.hidden = false;
  setText(byId("tour-count"), `Step ${step + 1} of ${STEPS.length}`);
  setText(byId("tour-text"), STEPS[step].text);
  setText(byId("tour-next"), STEPS[step].next);
  byId("tour-skip").hidden = step === STEPS.length - 1;
  if (focus) byId("tour-next").focus({ preventScroll: true });
  mark(STEPS[step].target);
}

async function next() {
  if (step === STEPS.length - 1) return close();
  if (step === 1 && catalogue().length) job = await submitTask("count_primes", { limit: 2000000 });
  if (step === 2 && job) go(`#/jobs/${encodeURIComponent(job.id)}`);
  open(step + 1);
}

function close() {
  box.hidden = true;
  mark(null);
}

/** Outline a part of the page and scroll to it. */
function mark(id) {
  for (const marked of document.querySelectorAll(".toured")) marked.classList.remove("toured");
  if (!id) return;
  byId(id).classList.add("toured");
  requestAnimationFrame(() => byId(id).scrollIntoView({ block: "nearest" }));
}
