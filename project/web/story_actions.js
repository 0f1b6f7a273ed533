// What can be done with a job: cancel, requeue (also with edited arguments), forget.

import { jobPath } from "./api.js";
import { confirmed } from "./confirm.js";
import { byId, h, replace } from "./dom.js";
import { curlLine, exchangePanel } from "./exchange.js";
import { argumentFields } from "./form.js";
import { go } from "./router.js";
import { catalogue } from "./submit.js";

/** Return {show, reset} for the place of the buttons; onDone is called after each action. */
export function createActions(place, onDone) {
  const panel = exchangePanel();
  byId("story-exchange").append(panel.element);
  const act = async (request, question, details, verb) => {
    if (question && !(await confirmed(question, details, verb))) return null;
    const answer = await panel.send(request).catch(() => null);
    onDone();
    return answer;
  };
  const reset = () => {
    panel.clear();
    byId("edit").hidden = true;
  };
  return { reset, show: (story) => show(place, story, act) };
}

function show(place, story, act) {
  const { job } = story;
  const id = job.job_id;
  const requests = {
    cancel: { method: "DELETE", path: jobPath(id) },
    requeue: { method: "POST", path: jobPath(id, "/requeue") },
    forget: { method: "POST", path: jobPath(id, "/forget") },
  };
  const requeueable = ["FAILURE", "REVOKED"].includes(job.status);
  // with the id: buttons of another job must not count as unchanged, as their handlers act on that job
  const button = (words, onclick) => h("button", { type: "button", "data-job": id, onclick }, words);
  const buttons = [
    !job.ready && button("Cancel", () => act(requests.cancel, "Cancel this job?", "A waiting job will not run; a running one is stopped.", "Cancel the job")),
    requeueable && button("Requeue", () => act(requests.requeue)),
    story.arguments && button("Requeue with other arguments …", () => edit(story, act)),
    job.ready && button("Forget", () => act(requests.forget, "Forget this job?", "Its record is deleted, with arguments and result.", "Forget the job")),
  ];
  replace(place, ...buttons);
  const lines = [!job.ready && requests.cancel, requeueable && requests.requeue, job.ready && requests.forget].filter(Boolean);
  replace(byId("story-curl"), ...lines.map(curlLine));
}

/** Open the form with the arguments of the job, and submit them as a new job. */
function edit(story, act) {
  const task = catalogue().find((each) => each.task === story.job.task);
  const place = byId("edit");
  if (!task) return;
  const fields = argumentFields("edit", task, story.arguments);
  const form = h("form", { class: "card", novalidate: true, "aria-label": "Requeue with other arguments" });
  form.append(
    h("h2", {}, "Other arguments"),
    h("p", { class: "hint" }, "This submits a new job; the old one stays as it is. A value that is still •••• keeps its secret."),
    fields.element,
    h("p", { class: "actions" }, h("button", { class: "primary" }, "Requeue as a new job"), h("button", { type: "button", onclick: () => (place.hidden = true) }, "Close")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    resubmit(story, fields, act, place);
  });
  replace(place, form);
  place.hidden = false;
  form.querySelector("input, textarea, button").focus();
}

async function resubmit({ job }, fields, act, place) {
  const args = fields.read();
  if (!args) return;
  const answer = await act({ method: "POST", path: jobPath(job.job_id, "/requeue"), body: { arguments: args } });
  if (!answer) return;
  place.hidden = true;
  go(`#/jobs/${encodeURIComponent(answer.body.job_id)}`);
}
