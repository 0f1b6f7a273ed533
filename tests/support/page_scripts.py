"""JavaScript that the tests run inside the page."""

# the contrast of every text with the ground that it stands on, as WCAG 2 computes it
LOW_CONTRAST = """() => {
  const rgb = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const own = (e) => rgb(getComputedStyle(e).backgroundColor);
  const ground = (e) => own(e)[3] === 0 ? ground(e.parentElement) : own(e);
  const low = [];
  for (const e of document.querySelectorAll("body *")) {
    const texts = [...e.childNodes].filter((n) => n.nodeType === 3 && n.data.trim());
    if (!texts.length || !e.getClientRects().length || e.closest("defs, title")) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(rgb(e.closest("svg") ? style.fill : style.color)), light(ground(e))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) low.push(e.outerHTML.slice(0, 90));
  }
  return low;
}"""

# puts the first job of the list into a state
SHOW = """async ([status, error]) => {
  const { createJob } = await import("/job.js");
  const accepted = { job_id: "1", location: "producer/api/sum/1", status: "PENDING" };
  const job = createJob({ task: "sum", queue: "cpu", submit: "producer/api/sum" }, {}, accepted);
  document.getElementById("jobs").prepend(job.element);
  const time = "2026-01-01T00:00:00Z";
  job.show({ status, error, queue: "cpu", consumer: null, submitted_at: time, started_at: null, finished_at: null });
}"""

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
