/**
 * A field's `pattern` → a regular expression that matches what Python's `re.fullmatch(…, re.ASCII)` does.
 *
 * The build lets through only what both read nearly alike (frontmatter.py); the rest is put right here: classes such as
 * `\s`, literals that JavaScript wants escaped, possessive quantifiers. `(?…)` other than `(?:` is refused.
 */

const SPACES = "\\t-\\r\\x20";
const NO_SPACES = "\\0-\\x08\\x0e-\\x1f\\x21-\\u{10ffff}";
const CONTROLS = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
const HEX_DIGITS = { x: 2, u: 4, U: 8 };

const cache = new Map();

/** Whether the whole value matches. Throws SyntaxError for a pattern that cannot be used. */
export function matches(pattern, value) {
  if (!cache.has(pattern)) cache.set(pattern, new RegExp(`^(?:${new Translator(pattern).whole()})$`, "u"));
  return cache.get(pattern).test(value);
}

class Translator {
  constructor(pattern) {
    this.chars = [...pattern];
    this.at = 0;
    this.atomic = 0;
  }

  whole() {
    const made = this.choice();
    if (this.at < this.chars.length) this.refuse();
    return made;
  }

  choice() {
    const branches = [this.sequence()];
    while (this.skip("|")) branches.push(this.sequence());
    return branches.join("|");
  }

  sequence() {
    let made = "";
    while (this.at < this.chars.length && !"|)".includes(this.chars[this.at])) made += this.repeated(this.atom());
    return made;
  }

  atom() {
    const char = this.next();
    if (char === "(") return this.group();
    if (char === "[") return this.set();
    if (char === "\\") return this.escape(false);
    if (char === ".") return "[^\\n]";
    if (char === "^") return "^";
    if (char === "$") return "(?:(?=\\n?$))";
    if ("*+?".includes(char)) this.refuse();
    return literal(char);
  }

  group() {
    if (this.skip("?") && !this.skip(":")) this.refuse();
    const made = this.choice();
    if (!this.skip(")")) this.refuse();
    return `(?:${made})`;
  }

  repeated(atom) {
    const quantifier = this.quantifier();
    if (!quantifier) return atom;
    if (this.skip("?")) return `${atom}${quantifier}?`;
    if (!this.skip("+")) return `${atom}${quantifier}`;
    // Possessive: a lookahead gives nothing back. No other group of ours captures.
    this.atomic += 1;
    const number = this.atomic;
    return `(?:(?=(${atom}${quantifier}))\\${number})`;
  }

  quantifier() {
    const char = this.chars[this.at];
    if (char !== undefined && "*+?".includes(char)) return this.next();
    const found = char === "{" ? /^\{([0-9]*)(,?)([0-9]*)\}/.exec(this.chars.slice(this.at).join("")) : null;
    if (!found || !(found[1] || found[3] || found[2])) return "";
    this.at += found[0].length;
    return found[2] ? `{${found[1] || 0},${found[3]}}` : `{${found[1]}}`;
  }

  set() {
    let made = this.skip("^") ? "[^" : "[";
    for (let first = true; first || this.chars[this.at] !== "]"; first = false) {
      const low = this.member();
      const isRange = this.chars[this.at] === "-" && this.chars[this.at + 1] !== "]";
      made += low;
      if (isRange) {
        this.at += 1;
        made += `-${this.member()}`;
      }
    }
    this.at += 1;
    return `${made}]`;
  }

  member() {
    const char = this.next();
    return char === "\\" ? this.escape(true) : literal(char);
  }

  escape(inSet) {
    const char = this.next();
    if ("dDwW".includes(char)) return `\\${char}`;
    if (char === "s") return inSet ? SPACES : `[${SPACES}]`;
    if (char === "S") return inSet ? NO_SPACES : `[${NO_SPACES}]`;
    if (Object.hasOwn(CONTROLS, char)) return code(CONTROLS[char]);
    if (Object.hasOwn(HEX_DIGITS, char)) return this.digits(HEX_DIGITS[char], /^[0-9A-Fa-f]+$/, 16);
    if (char === "0") return this.octal();
    if (/[A-Za-z0-9]/.test(char)) this.refuse();
    return literal(char);
  }

  digits(length, shape, base) {
    const text = this.chars.slice(this.at, this.at + length).join("");
    if (text.length !== length || !shape.test(text)) this.refuse();
    this.at += length;
    return code(Number.parseInt(text, base));
  }

  octal() {
    const text = /^[0-7]{0,2}/.exec(this.chars.slice(this.at, this.at + 2).join(""))[0];
    this.at += text.length;
    return code(Number.parseInt(`0${text}`, 8));
  }

  next() {
    if (this.at >= this.chars.length) this.refuse();
    this.at += 1;
    return this.chars[this.at - 1];
  }

  skip(char) {
    if (this.chars[this.at] !== char) return false;
    this.at += 1;
    return true;
  }

  refuse() {
    throw new SyntaxError("a pattern that cannot be used");
  }
}

function literal(char) {
  return /[A-Za-z0-9]/.test(char) ? char : code(char.codePointAt(0));
}

function code(number) {
  return `\\u{${number.toString(16)}}`;
}
