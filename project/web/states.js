// The label and the colour of each status. The names are Celery's.

export const STATES = {
  PENDING: { label: "waits in its queue", colour: "amber" },
  STARTED: { label: "is running", colour: "blue" },
  RETRY: { label: "failed and will be retried", colour: "violet" },
  SUCCESS: { label: "has succeeded", colour: "green" },
  FAILURE: { label: "has failed", colour: "red" },
  REVOKED: { label: "was cancelled", colour: "grey" },
};
