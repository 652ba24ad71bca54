/** Addresses of mails: `Name <local@domain>`, `local@domain (Name)`, `local@domain`; of several the first. Pure. */

const ATOM = '[^()<>@,:;."\\[\\]\\\\\\s]+';
const SPEC = `(${ATOM}(?:\\.${ATOM})*)@(${ATOM}(?:\\.${ATOM})*)`;
const IN_BRACKETS = new RegExp(`^<\\s*${SPEC}\\s*>`);
const PLAIN = new RegExp(`^\\s*${SPEC}(?=$|[\\s,(])((?:\\s*\\([^()]*\\))*)`);
const WORD = /^\s*(?:"((?:[^"\\]|\\.)*)"|\(([^()]*)\)|([^()<>@,:;"[\]\s]+))\s*/;
const SPECIALS = /[()<>@,:;."[\]\\]/;

/** → {name, local, domain}. Throws for anything with a line break, and for no address. */
export function address(text) {
  if (/[\r\n]/.test(text)) throw new Error("no address");
  return plain(text) ?? named(text);
}

function plain(text) {
  const found = PLAIN.exec(text);
  if (!found) return null;
  const comments = [...found[3].matchAll(/\(([^()]*)\)/g)].map(([, comment]) => comment);
  return { name: comments.join(" "), local: found[1], domain: found[2] };
}

function named(text) {
  const [words, comments] = [[], []];
  let [rest, found] = [text.replace(/^\s+/, ""), null];
  while ((found = WORD.exec(rest))) {
    const [all, quoted, comment, word] = found;
    if (comment === undefined) words.push(quoted === undefined ? word : quoted.replace(/\\(.)/g, "$1"));
    else comments.push(comment);
    rest = rest.slice(all.length);
  }
  const spec = IN_BRACKETS.exec(rest);
  if (!spec) throw new Error("no address");
  const noted = comments.length ? ` (${comments.join(" ")})` : "";
  return { name: words.join(" ") + noted, local: spec[1], domain: spec[2] };
}

/** `local@domain`. */
export function specOf({ local, domain }) {
  return `${local}@${domain}`;
}

/** As it stands in a header, with a name that is quoted where it must be. */
export function shown(found) {
  const { name } = found;
  if (!name) return specOf(found);
  return `${SPECIALS.test(name) ? `"${name.replace(/[\\"]/g, "\\$&")}"` : name} <${specOf(found)}>`;
}
