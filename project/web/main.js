// The page: a form per task of the catalogue, and the list of the jobs that were submitted here.

import { listTasks } from "./api.js";
import { follow, sleep } from "./follow.js";
import { createForm } from "./form.js";
import { createJob } from "./job.js";
import { STATES } from "./states.js";
import { describe } from "./template.js";

const KEPT = 12; // jobs in the list; an older one goes on without being watched
const RETRY = 2000; // milliseconds until the catalogue is asked for again

const forms = document.getElementById("forms");
const list = document.getElementById("jobs");
const announcer = document.getElementById("announcer");
const watched = [];

async function showForms() {
  for (;;) {
    try {
      const tasks = await listTasks();
      forms.replaceChildren(...tasks.map((task) => createForm(task, watch)));
      forms.ariaBusy = "false";
      return;
    } catch (problem) {
      forms.firstElementChild.textContent = `${describe(problem)} Asking again soon.`;
      await sleep(problem.retryAfter ?? RETRY);
    }
  }
}

async function watch(task, args, accepted) {
  const job = createJob(task, args, accepted);
  const watching = new AbortController();
  list.prepend(job.element);
  watched.unshift({ job, watching });
  for (const old of watched.splice(KEPT)) {
    old.watching.abort();
    old.job.element.remove();
  }
  announce(task, accepted);
  try {
    let status = accepted.status;
    for await (const seen of follow(accepted.location, watching.signal)) {
      if (seen.problem) {
        job.trouble(seen.problem);
        continue;
      }
      job.show(seen.job);
      if (seen.job.status !== status) announce(task, seen.job);
      status = seen.job.status;
    }
  } catch (problem) {
    if (!watching.signal.aborted) job.trouble(problem);
  }
}

/** Tell who cannot see the badge. */
function announce(task, { job_id: id, status, result, error }) {
  const outcome = status === "SUCCESS" ? `: ${JSON.stringify(result)}` : error ? `: ${error.message}` : "";
  announcer.textContent = `${task.task} job ${id.slice(0, 8)} ${STATES[status].label}${outcome}`;
}

showForms();
