/**
 * A request's body → pairs of text, by rules of its own that hold in every language alike.
 *
 * Nothing of the platform's is asked: `urlencoded` is the URL standard's parser with strict UTF-8, `jsonObject` is JSON
 * less what JavaScript and Python read differently. Nothing here throws anything but DecodeError.
 */

import { parse } from "./json.mjs";
import { byteLength, fromUtf8, isSound } from "./text.mjs";

/** Bytes of a body, counted as they are read. */
export const BODY_MAX = 64 * 1024;
export const PAIRS_MAX = 100;

/** Bytes of a field's name in UTF-8. */
export const NAME_MAX = 64;

/** Bytes of a value in UTF-8, whatever its field says. */
export const VALUE_MAX = 8192;

export const [FORM, JSON_TYPE] = ["application/x-www-form-urlencoded", "application/json"];

const WORD = "[!#$%&'*+.^_`|~0-9a-z-]+";
const TYPE = new RegExp(`^[\\t ]*(${WORD}/${WORD})[\\t ]*((?:;.*)?)$`, "s");
const PARAMETER = new RegExp(`;[\\t ]*(?:(${WORD})=("[^"\\\\]*"|${WORD}))?[\\t ]*`, "y");
const [AMPERSAND, EQUALS, PLUS, PERCENT, BLANK] = [0x26, 0x3d, 0x2b, 0x25, 0x20];

/** A body that is not to be read. `status`: 400, 413 or 415; `code`: the contract's word for it. */
export class DecodeError extends Error {
  constructor(status, code) {
    super(code);
    this.name = "DecodeError";
    this.status = status;
    this.code = code;
  }
}

export const malformed = () => new DecodeError(400, "malformed");
export const tooLarge = () => new DecodeError(413, "size");

/** The length a client claims (400 if it is no number), and what was really read (413). */
export function checkLength(header, read) {
  if (header !== null) {
    if (!/^[0-9]+$/.test(header)) throw malformed();
    if (Number(header) > BODY_MAX) throw tooLarge();
  }
  if (read > BODY_MAX) throw tooLarge();
}

/** FORM or JSON_TYPE; any other type, another charset and every Content-Encoding are 415. */
export function mediaType(contentType, encoding) {
  const match = TYPE.exec((contentType ?? "").toLowerCase());
  if (!match || encoding !== null || ![FORM, JSON_TYPE].includes(match[1])) throw new DecodeError(415, "type");
  const rest = match[2];
  let at = 0;
  while (at < rest.length) {
    PARAMETER.lastIndex = at;
    const parameter = PARAMETER.exec(rest);
    if (!parameter || (parameter[1] === "charset" && parameter[2].replace(/^"+|"+$/g, "") !== "utf-8")) {
      throw new DecodeError(415, "type");
    }
    at = PARAMETER.lastIndex;
  }
  return match[1];
}

/** The [name, value] pairs of a body of the given media type, in order, within the limits. */
export function decode(body, kind) {
  const pairs = kind === JSON_TYPE ? jsonObject(body) : urlencoded(body);
  if (pairs.length > PAIRS_MAX) throw tooLarge();
  for (const [name, value] of pairs) {
    if (byteLength(name) > NAME_MAX || byteLength(value) > VALUE_MAX) throw tooLarge();
  }
  return pairs;
}

/** The URL standard's application/x-www-form-urlencoded parser; what is not UTF-8 is malformed. */
export function urlencoded(body) {
  const pieces = split(body, AMPERSAND).filter((piece) => piece.length);
  if (pieces.length > PAIRS_MAX) throw tooLarge();
  return pieces.map((piece) => {
    const at = piece.indexOf(EQUALS);
    return at < 0 ? [textOf(piece), ""] : [textOf(piece.subarray(0, at)), textOf(piece.subarray(at + 1))];
  });
}

function split(body, separator) {
  const pieces = [];
  let start = 0;
  for (let at = body.indexOf(separator); at >= 0; at = body.indexOf(separator, start)) {
    pieces.push(body.subarray(start, at));
    start = at + 1;
  }
  return [...pieces, body.subarray(start)];
}

/** `+` is a space; a percent sign without two hex digits stands for itself. */
function textOf(raw) {
  const bytes = new Uint8Array(raw.length);
  let length = 0;
  for (let at = 0; at < raw.length; at += 1) {
    const code = raw[at] === PERCENT ? hexAt(raw, at + 1) : -1;
    bytes[length] = code >= 0 ? code : raw[at] === PLUS ? BLANK : raw[at];
    length += 1;
    if (code >= 0) at += 2;
  }
  return strictText(bytes.subarray(0, length));
}

function hexAt(raw, at) {
  const digits = at + 2 <= raw.length ? String.fromCharCode(raw[at], raw[at + 1]) : "";
  return /^[0-9A-Fa-f]{2}$/.test(digits) ? Number.parseInt(digits, 16) : -1;
}

function strictText(raw) {
  try {
    return fromUtf8(raw);
  } catch {
    throw malformed();
  }
}

/** One flat object. An array is its name repeated; `true` is `true`, an integer its digits. */
export function jsonObject(body) {
  const data = jsonValue(body, flat);
  if (!(data instanceof Map)) throw malformed();
  return [...data].flatMap(([name, texts]) => texts.map((text) => [sound(name), text]));
}

/** An object's names with their texts. What is nested is refused, even where the same name is given again. */
function flat(pairs) {
  return new Map(pairs.map(([name, value]) => [name, texts(value)]));
}

/** JSON text → a value with Maps for objects, with only those numbers that every language reads alike. */
export function jsonValue(body, object = undefined) {
  try {
    return parse(strictText(body), integer, object);
  } catch (fault) {
    throw fault instanceof SyntaxError ? malformed() : fault;
  }
}

/** A number's value, if that is a safe integer; there is no negative zero. */
function integer(digits) {
  const number = Number(digits);
  if (!Number.isSafeInteger(number)) throw malformed();
  return number + 0;
}

function texts(value) {
  if (Array.isArray(value)) {
    if (!value.every((item) => typeof item === "string")) throw malformed();
    return value.map(sound);
  }
  if (typeof value === "boolean" || typeof value === "number") return [String(value)];
  if (typeof value === "string") return [sound(value)];
  throw malformed();
}

/** Text without half a surrogate pair, which is no character and has no UTF-8. */
function sound(text) {
  if (!isSound(text)) throw malformed();
  return text;
}
