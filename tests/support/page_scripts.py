"""JavaScript that the tests run inside the page."""

# makes fields for arguments of every type and says what they became
READ_FIELDS = """async () => {
  const { createField } = await import("/field.js");
  const fields = Object.entries({
    flag: { type: "boolean", default: true },
    share: { type: "number", minimum: 0, default: 1, examples: [0.5] },
    name: { type: "string", description: "who", examples: ["a"] },
    list: { anyOf: [{ type: "array" }], examples: [[1, 2]] },
  }).map(([name, schema]) => createField("form", name, schema, name === "list"));
  return {
    types: fields.map((field) => field.input.type),
    values: fields.map((field) => field.read()),
    help: fields.map((field) => field.element.querySelector(".help").textContent),
  };
}"""

# the badge and the outcome of a job in a state
SHOW = """async ([status, error]) => {
  const { jobRow } = await import("/rows.js");
  const time = "2026-01-01T00:00:00Z";
  const job = { job_id: "1", task: "sum", status, error, queue: "cpu", submitted_at: time, attempts: 1 };
  const row = jobRow(job);
  return [row.querySelector(".badge").textContent, row.querySelector(".outcome").textContent];
}"""
