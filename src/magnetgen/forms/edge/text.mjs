/** What Python's texts do and JavaScript's do otherwise: code points, trimming, UTF-8, addresses, escapes. Pure. */

import { Buffer } from "node:buffer";

const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What Python's `\s` matches, for a character class. JavaScript's differs in seven characters. */
export const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const WHITE = new RegExp(`[${SPACE}]`);
const PAIR = /[\ud800-\udbff][\udc00-\udfff]/g;

/** The text in UTF-8. */
export function utf8(text) {
  return Buffer.from(text, "utf8");
}

/** Bytes that the text has in UTF-8. */
export function byteLength(text) {
  return Buffer.byteLength(text, "utf8");
}

/** UTF-8, strictly; a byte order mark is a character. Throws TypeError. */
export function fromUtf8(raw) {
  return STRICT.decode(raw);
}

/** How many code points a text has. */
export function lengthOf(text) {
  return text.length - (text.match(PAIR)?.length ?? 0);
}

/** At most so many code points of a text. */
export function cut(text, most) {
  return text.length <= most ? text : [...text].slice(0, most).join("");
}

/** Whether no half of a surrogate pair stands alone: that is no character and has no UTF-8. */
export function isSound(text) {
  return !/\p{Cs}/u.test(text);
}

/** Before the first separator, the separator, and what follows it; as Python's `str.partition`. */
export function partition(text, separator) {
  const at = text.indexOf(separator);
  return at < 0 ? [text, "", ""] : [text.slice(0, at), separator, text.slice(at + separator.length)];
}

/** Without white space at its ends, which is what Python takes for it. */
export function strip(text) {
  return trimmed(text, (char) => WHITE.test(char));
}

/** Without the characters at its ends that are to go. A pattern would take the square of the time within a text. */
export function trimmed(text, goes) {
  let [start, end] = [0, text.length];
  while (start < end && goes(text[start])) start += 1;
  while (start < end && goes(text[end - 1])) end -= 1;
  return text.slice(start, end);
}

export function withoutPrefix(text, prefix) {
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
}

/** Order by code points; JavaScript's own is by halves of surrogate pairs. */
export function compare(one, other) {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at += 1) {
    const difference = rank(one.charCodeAt(at)) - rank(other.charCodeAt(at));
    if (difference) return difference;
  }
  return one.length - other.length;
}

function rank(unit) {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" };

/** A text for HTML, in attributes too. */
export function escape(text) {
  return text.replace(/[&<>"']/g, (char) => ESCAPES[char]);
}

/** Percent-encoded but for what `kept` (a pattern of one ASCII character) matches. */
export function quote(text, kept = /[A-Za-z0-9_.~-]/) {
  return [...utf8(text)].map((byte) => quotedByte(byte, kept)).join("");
}

function quotedByte(byte, kept) {
  const char = String.fromCharCode(byte);
  return byte < 0x80 && kept.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** The parts of an address as Python's urlsplit finds them: nothing is encoded, resolved or completed. */
export function urlsplit(address) {
  let rest = address.replace(/^[\0-\x20]+/, "").replace(/[\t\r\n]/g, "");
  let [scheme, netloc, query, fragment] = ["", "", "", ""];
  const named = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(rest);
  if (named) [scheme, rest] = [named[1].toLowerCase(), rest.slice(named[0].length)];
  if (rest.startsWith("//")) {
    netloc = /^[^/?#]*/.exec(rest.slice(2))[0];
    rest = rest.slice(2 + netloc.length);
  }
  [rest, , fragment] = partition(rest, "#");
  [rest, , query] = partition(rest, "?");
  return { scheme, netloc, path: rest, query, fragment, ...hostAndPort(netloc) };
}

/** `port`: a number, null where none is named, NaN where it is none. */
function hostAndPort(netloc) {
  const found = netloc.slice(netloc.lastIndexOf("@") + 1);
  const match = /^[^[]*\[([^\]]*)\]?[^:]*:?(.*)$/s.exec(found) ?? /^([^:]*):?(.*)$/s.exec(found);
  const [name, percent, zone] = partition(match[1], "%");
  return { hostname: name.toLowerCase() + percent + zone, port: portOf(match[2]) };
}

function portOf(text) {
  if (!text) return null;
  return /^[0-9]+$/.test(text) && Number(text) <= 65535 ? Number(text) : NaN;
}

/** Scheme, host and port of an address. */
export function origin(url) {
  const parts = urlsplit(url);
  return `${parts.scheme}://${parts.netloc}`;
}
