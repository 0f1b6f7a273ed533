// What the page says about a job's status: the only place that knows. The names are Celery's.

export const STATES = {
  PENDING: { label: "waits in its queue", colour: "amber" },
  STARTED: { label: "is running", colour: "blue" },
  RETRY: { label: "failed and will be tried again", colour: "violet" },
  SUCCESS: { label: "has its result", colour: "green" },
  FAILURE: { label: "has failed", colour: "red" },
  REVOKED: { label: "was cancelled", colour: "grey" },
};
