// Writes durations, rates, times and JSON for people.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayFormat = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });
const zone = new Intl.DateTimeFormat("en", { timeZoneName: "short" });

export const UNKNOWN = "–";

/** The time zone of the viewer (IANA name). */
export const TIME_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";

/** Write a number with thousands separators. */
export const count = (number) => (number === null || number === undefined ? UNKNOWN : whole.format(number));

/** Write "1 job", "2 jobs". */
export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** Write a rate per second; null is unknown. */
export function rate(number) {
  if (number === null || number === undefined) return UNKNOWN;
  return `${number < 100 ? tenths.format(number) : whole.format(number)}/s`;
}

/** Write a duration in seconds. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return UNKNOWN;
  if (seconds < 0.9995) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  return longDuration(Math.round(seconds));
}

/** Write a duration that ticks, in steps that do not flicker. */
export const ticking = (seconds) => (seconds < 59.95 ? `${Math.max(0, seconds).toFixed(1)} s` : longDuration(Math.round(seconds)));

function longDuration(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => seconds >= size);
  const [name, size] = units[first];
  const [smaller, small] = units[first + 1] ?? [null, 1];
  const rest = Math.floor((seconds % size) / small);
  return `${Math.floor(seconds / size)} ${name}` + (smaller && rest ? ` ${rest} ${smaller}` : "");
}

/** Return a time (RFC 3339) as unix seconds, or null. */
export const unix = (time) => (time ? Date.parse(time) / 1000 : null);

/** Write a time of day in the viewer's time zone. */
export const clock = (time) => clockFormat.format(date(time));

/** Write day and time in the viewer's time zone. */
export const moment = (time) => `${dayFormat.format(date(time))}, ${clock(time)}`;

/** Write the short name of the viewer's time zone at a time. */
export const zoneName = (time) => zone.formatToParts(date(time)).find((part) => part.type === "timeZoneName").value;

/** Return an element with a time of day; its tooltip has the full time in UTC. */
export function timeElement(time, write = clock) {
  if (!time) return document.createTextNode(UNKNOWN);
  const element = document.createElement("time");
  const iso = date(time).toISOString();
  Object.assign(element, { dateTime: iso, title: iso, textContent: write(time) });
  return element;
}

/** Write a value as JSON on one line, cut at a length. */
export function oneLine(value, length = 120) {
  const text = JSON.stringify(value) ?? UNKNOWN;
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

/** Write a value as indented JSON. */
export const pretty = (value) => JSON.stringify(value, null, 2) ?? UNKNOWN;

/** Return the first characters of a long id. */
export const shortId = (id) => (/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(id) ? id.slice(0, 8) : id);

const date = (time) => new Date(typeof time === "number" ? time * 1000 : time);
