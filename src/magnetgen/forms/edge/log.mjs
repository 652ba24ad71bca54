/** One JSON line an event, where the platform keeps them. Never a field's value, an address, a token or a body. */

/** Write a line; a log that cannot be written to stops nothing. */
export function event(name, facts = {}, write = writeLine) {
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

function writeLine(text) {
  console.error(text);
}
