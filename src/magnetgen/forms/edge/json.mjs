/**
 * JSON as Python reads and writes it. JavaScript's own parser forgets how a number was written, what a name was first
 * given, and the order of names that look like numbers; so this one hands out Maps, and asks about every number.
 */

import { compare, isSound } from "./text.mjs";

/** Deeper than this nobody reads. */
export const DEPTH_MAX = 900;

const ESCAPED = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const WORDS = new Map([
  ["true", true],
  ["false", false],
  ["null", null],
]);

/**
 * JSON text → a value; objects are what `object` makes of their pairs, Maps where the last of a name counts if nothing
 * else is said. `number`: a number's text → its value. Throws SyntaxError, or what the two throw.
 */
export function parse(text, number, object = (pairs) => new Map(pairs)) {
  return new Parser(text, number, object).whole();
}

class Parser {
  constructor(text, number, object) {
    Object.assign(this, { text, number, object, at: 0, depth: 0 });
  }

  whole() {
    const value = this.value();
    this.space();
    if (this.at < this.text.length) this.refuse();
    return value;
  }

  value() {
    this.space();
    const char = this.text[this.at];
    if (char === '"') return this.string();
    if (char === "{" || char === "[") return this.nested(char);
    const word = this.take(/true|false|null/y);
    if (word) return WORDS.get(word);
    return this.number(this.take(/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y) ?? this.refuse());
  }

  nested(char) {
    this.at += 1;
    this.depth += 1;
    if (this.depth > DEPTH_MAX) this.refuse();
    const value = char === "{" ? this.object(this.items("}", () => this.pair())) : this.items("]", () => this.value());
    this.depth -= 1;
    return value;
  }

  items(end, item) {
    const found = [];
    this.space();
    if (this.skip(end)) return found;
    do {
      found.push(item());
      this.space();
    } while (this.skip(","));
    if (!this.skip(end)) this.refuse();
    return found;
  }

  pair() {
    this.space();
    const name = this.string();
    this.space();
    if (!this.skip(":")) this.refuse();
    return [name, this.value()];
  }

  string() {
    if (!this.skip('"')) this.refuse();
    let text = "";
    for (;;) {
      text += this.take(/[^"\\\0-\x1f]*/y);
      if (this.skip('"')) return text;
      if (!this.skip("\\")) this.refuse();
      text += this.escaped();
    }
  }

  escaped() {
    const code = this.take(/u[0-9A-Fa-f]{4}/y);
    if (code) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return ESCAPED[this.take(/["\\/bfnrt]/y) ?? this.refuse()];
  }

  space() {
    this.take(/[ \t\n\r]*/y);
  }

  skip(char) {
    if (this.text[this.at] !== char) return false;
    this.at += 1;
    return true;
  }

  take(pattern) {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (!match) return null;
    this.at = pattern.lastIndex;
    return match[0];
  }

  refuse() {
    throw new SyntaxError("not JSON");
  }
}

/**
 * A plain value as JSON. `item` and `key` are the separators, `sorted`: names in the order of their code points.
 * Throws TypeError where half a surrogate pair stands alone, which has no UTF-8.
 */
export function dumps(value, { item = ",", key = ":", sorted = false } = {}) {
  const write = (part) => {
    if (Array.isArray(part)) return `[${part.map(write).join(item)}]`;
    if (part === null || typeof part !== "object") return scalar(part);
    const names = Object.keys(part).filter((name) => part[name] !== undefined);
    if (sorted) names.sort(compare);
    return `{${names.map((name) => scalar(name) + key + write(part[name])).join(item)}}`;
  };
  return write(value);
}

function scalar(value) {
  if (typeof value === "string" && !isSound(value)) throw new TypeError("half a surrogate pair");
  return JSON.stringify(value);
}
