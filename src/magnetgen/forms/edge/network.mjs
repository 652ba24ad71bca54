/** Addresses of clients, read as Python's ipaddress does. Pure. */

/** Some proxies write a client's port, too. */
const PORT = /^(?:\[([0-9A-Fa-f:.%]+)\]|([0-9.]+))(?::[0-9]{1,5})?$/;

/** An IPv4 address, or an IPv6 network of 64 bits: what one client may have. "unknown": neither. */
export function network(address) {
  const text = address.replace(PORT, (_, six, four) => six ?? four).split("%")[0];
  const four = octets(text);
  if (four) return four.join(".");
  const six = hextets(text);
  if (!six) return "unknown";
  const isMapped = six.slice(0, 5).every((part) => part === 0) && six[5] === 0xffff;
  if (isMapped) return six.slice(6).flatMap((part) => [part >> 8, part & 255]).join(".");
  return `${compressed([...six.slice(0, 4), 0, 0, 0, 0])}/64`;
}

/** The four numbers of an IPv4 address, or null. */
function octets(text) {
  const parts = text.split(".");
  const isSound = parts.length === 4 && parts.every((part) => /^(?:0|[1-9][0-9]{0,2})$/.test(part) && part <= 255);
  return isSound ? parts.map(Number) : null;
}

/** The eight numbers of an IPv6 address, or null. */
export function hextets(text) {
  let parts = text.split(":");
  if (parts.length < 3) return null;
  if (parts.at(-1).includes(".")) {
    const four = octets(parts.at(-1));
    if (!four) return null;
    parts = [...parts.slice(0, -1), hex(four[0] * 256 + four[1]), hex(four[2] * 256 + four[3])];
  }
  const full = parts.length > 9 ? null : filled(parts);
  return full && full.every((part) => /^[0-9A-Fa-f]{1,4}$/.test(part)) ? full.map((part) => parseInt(part, 16)) : null;
}

/** With zeros where `::` stands. */
function filled(parts) {
  const gaps = parts.slice(1, -1).flatMap((part, at) => (part ? [] : [at + 1]));
  if (!gaps.length) return parts.length === 8 ? parts : null;
  if (gaps.length > 1) return null;
  let [high, low] = [parts.slice(0, gaps[0]), parts.slice(gaps[0] + 1)];
  if (!high[0]) high = high.slice(1);
  if (!low.at(-1)) low = low.slice(0, -1);
  // An empty end is that of a `::` there; any other is a lone colon.
  if (!parts[0] && high.length) return null;
  if (!parts.at(-1) && low.length) return null;
  const skipped = 8 - high.length - low.length;
  return skipped < 1 ? null : [...high, ...Array(skipped).fill("0"), ...low];
}

/** Written shortest: the first of the longest runs of zeros is `::`. */
function compressed(numbers) {
  const runs = numbers.map((_, at) => {
    const end = numbers.findIndex((number, other) => other >= at && number !== 0);
    return (end < 0 ? numbers.length : end) - at;
  });
  const longest = Math.max(...runs);
  if (longest < 2) return numbers.map(hex).join(":");
  const start = runs.indexOf(longest);
  const [before, after] = [numbers.slice(0, start), numbers.slice(start + longest)];
  return `${before.map(hex).join(":")}::${after.map(hex).join(":")}`;
}

function hex(number) {
  return number.toString(16);
}
