/** One JSON line an event, where the platform keeps them. Never a field's value, an address, a token or a body. */

/** What goes its usual way; all else is shown as an error by the platforms. */
const USUAL = ["request", "delivery"];

/** Write a line; a log that cannot be written to stops nothing. */
export function event(name, facts = {}, write = USUAL.includes(name) ? usual : fault) {
  try {
    write(line(name, facts));
  } catch {
    return;
  }
}

/** `{"at": seconds, "event": name, …facts}` as ASCII. A fact that is undefined is null. */
export function line(name, facts = {}) {
  const known = { at: Math.round(Date.now()) / 1000, event: name, ...facts };
  return ascii(JSON.stringify(known, (key, value) => (value === undefined ? null : value)));
}

/** JSON with everything escaped that is not ASCII. */
export function ascii(json) {
  return json.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function usual(text) {
  console.log(text);
}

function fault(text) {
  console.error(text);
}
