/**
 * Mails: strings with named holes, filled when they are sent.
 *
 * No template engine runs here. A header with a line break is refused. Links come from the configured public address,
 * never from a request.
 */

import { address, shown } from "./addresses.mjs";
import { fill, HOLES, WITH_FIELDS, YIELDING } from "./holes.mjs";
import { UNSUBSCRIBED } from "./records.mjs";
import { magnetOf } from "./site.mjs";
import { escape, SPACE, urlsplit } from "./text.mjs";
import * as tokens from "./tokens.mjs";

export { address } from "./addresses.mjs";

const CANCELLED = "cancelled";
/** How an encoded word begins (RFC 2047): in an address it may be decoded on the way, and be other addresses then. */
const ENCODED = /=\?/;
const SPACES = new RegExp(`[${SPACE}]+`);

/** A mail that cannot be made or is not to be sent; trying again changes nothing. The text is a short code. */
export class Refused extends Error {}

/**
 * What came of an attempt.
 *
 * `permanent`: no use in trying again; `gone`: the destination wants nothing more; `item`: it was about this delivery
 * alone, and says nothing about the destination. `body`: the beginning of an answer over HTTP, to be judged by, never
 * to be kept.
 */
export function sent(ok, code, more = {}) {
  return { ok, code, permanent: false, gone: false, retry_after: 0, item: false, body: "", ...more };
}

/** Makes mails for one site. `sender`: MAGNETGEN_MAIL_FROM; `defaults`: the mails that come with magnetgen. */
export class Composer {
  constructor(site, keys, sender, random, defaults) {
    Object.assign(this, { site, keys, sender, random, defaults });
  }

  /**
   * The mail of a delivery, made now → {id, from, to, replyTo, subject, headers, text, html}: addresses as {name,
   * local, domain}, `headers` a Map of all of them. `code`: the single-use code that the lead has, or empty. Throws
   * Refused.
   */
  compose(delivery, lead, now, code = "") {
    const form = this.site.forms.get(delivery.form);
    const kind = this.kindOf(delivery, form, code);
    if (!form || (!lead && kind !== "held")) throw new Refused(CANCELLED);
    const toOwner = delivery.dest.startsWith("email:");
    if (lead && !toOwner && endedSince(lead, delivery, kind)) throw new Refused(CANCELLED);
    const recipient = toOwner ? delivery.dest.slice("email:".length) : (lead?.email ?? "");
    const holes = this.holes(kind, form, lead, delivery, now, code);
    const template = this.template(kind, form);
    const parts = this.headers(kind, template, recipient, holes, delivery, lead, now);
    const inHtml = new Map([...holes].map(([name, value]) => [name, escape(value)]));
    if (holes.has("answers")) inHtml.set("answers", answersHtml(answersOf(form, lead)));
    return { ...parts, text: lined(fill(template.text, holes)), html: lined(fill(template.html, inHtml)) };
  }

  /** Who was to get a single-use code, and has none as all of them are gone, is told so. */
  kindOf(delivery, form, code) {
    const kind = delivery.kind.replace(/^mail:/, "");
    const isGone = kind === "deliver" && !code && magnetOf(this.site, form)?.codes.length;
    return isGone ? "soldout" : kind;
  }

  /** The site's own for the form, the site's own, or the default. */
  template(kind, form) {
    const { mails } = this.site;
    return { ...this.defaults[kind], ...own(mails, kind), ...own(mails, `${kind}:${form.name}`) };
  }

  /** What the kind's holes are filled with: holes.mjs says which it has. */
  holes(kind, form, lead, delivery, now, code) {
    const magnet = magnetOf(this.site, form);
    const link = (purpose) => (lead ? this.link(purpose, lead, now, form) : "");
    let download;
    const downloadUrl = () => (download ??= form.spec.magnet ? link(tokens.DOWNLOAD) : "");
    const said = (name) => String(own(magnet?.holes, name) ?? "");
    const values = {
      site_title: () => this.site.title,
      form_title: () => form.spec.title,
      confirm_url: () => link(tokens.CONFIRM),
      magnet_title: () => magnet?.title ?? "",
      download_url: downloadUrl,
      epub_url: () => (magnet?.assets.includes(`${magnet.name}.epub`) ? `${downloadUrl()}/epub` : ""),
      code: () => code || (magnet?.code ?? ""),
      join_url: () => said("join_url"),
      event_time: () => said("event_time"),
      google_url: () => said("google_url"),
      outlook_url: () => said("outlook_url"),
      unsubscribe_url: () => link(tokens.UNSUBSCRIBE),
      email: () => lead?.email ?? "",
      answers: () => answersOf(form, lead).map(([label, value]) => `${label}: ${value}`).join("\n"),
      lead_id: () => lead?.id ?? "",
      reason: () => String(delivery.body.reason ?? ""),
      submission_id: () => String(delivery.body.submission ?? ""),
    };
    const holes = HOLES[kind].map((name) => [name, values[name]()]);
    // The text of a stranger goes to nobody before the address is theirs.
    const known = lead && WITH_FIELDS.includes(kind) && lead.confirmed_at !== null;
    if (!known) return new Map(holes);
    return new Map([...fieldsOf(lead), ...holes.filter(([name, text]) => text || !YIELDING.includes(name))]);
  }

  link(purpose, lead, now, form) {
    // A link made in the second of an unsubscription is younger than it.
    const after = lead.unsubscribed_at !== null ? Math.floor(lead.unsubscribed_at / 1000) + 1 : 0;
    const issued = Math.max(Math.floor(now), after);
    const asset = purpose === tokens.DOWNLOAD ? form.spec.magnet : "";
    const lives = asset ? magnetOf(this.site, form)?.valid_for : 0;
    const token = tokens.issue(this.keys, purpose, lead.form, lead.id, issued, this.random(16), asset, lives);
    return `${this.site.public_url}/${purpose}/${token}`;
  }

  headers(kind, template, recipient, holes, delivery, lead, now) {
    const from = addressOr(template.from || this.sender);
    const to = ENCODED.test(recipient) ? refuse() : addressOr(recipient);
    // A field may hold line breaks; a subject is one line.
    const subject = fill(template.subject, holes).split(SPACES).filter(Boolean).join(" ");
    const host = urlsplit(this.site.public_url).hostname || "localhost";
    const headers = new Map([
      ["From", shown(from)],
      ["To", shown(to)],
      ["Subject", subject],
      ["Date", new Date(Math.floor(now) * 1000).toUTCString().replace(/GMT$/, "+0000")],
      // The same over all attempts, so a mailbox can tell a repetition.
      ["Message-ID", `<${delivery.id}@${host}>`],
    ]);
    const replyTo = lead && kind === "notify" && !ENCODED.test(lead.email) ? addressOr(lead.email) : null;
    if (replyTo) headers.set("Reply-To", shown(replyTo));
    if (holes.has("unsubscribe_url")) {
      headers.set("List-Unsubscribe", `<${holes.get("unsubscribe_url")}>`);
      headers.set("List-Unsubscribe-Post", "List-Unsubscribe=One-Click");
    } else {
      headers.set("Auto-Submitted", "auto-generated");
    }
    if ([...headers.values()].some((value) => /[\r\n]/.test(value))) refuse();
    return { id: delivery.id, from, to, replyTo, subject, headers };
  }
}

/** Who unsubscribes while a mail is under way does not get it; who asks for the thing afterwards does. */
function endedSince(lead, delivery, kind) {
  if (lead.status !== UNSUBSCRIBED) return false;
  return kind === "welcome" || (lead.unsubscribed_at !== null && delivery.created_at < lead.unsubscribed_at);
}

function addressOr(text) {
  try {
    return address(text);
  } catch {
    return refuse();
  }
}

function refuse() {
  throw new Refused("header");
}

function own(table, name) {
  return table && Object.hasOwn(table, name) ? table[name] : undefined;
}

function fieldsOf(lead) {
  return Object.entries(lead.data).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value]);
}

/** [label, value] of all that a lead answered and agreed to. */
function answersOf(form, lead) {
  if (!lead) return [];
  const labels = new Map(form.spec.fields.map((field) => [field.name, field.label || field.name]));
  const answers = fieldsOf(lead).map(([name, value]) => [labels.get(name) ?? name, value]);
  return [...answers, ...lead.consent.map((record) => [String(record.name), record.given ? "yes" : "no"])];
}

/** A line each, for a hole inside a paragraph; a long answer begins on a line of its own. */
function answersHtml(answers) {
  const lines = answers.map(([label, value]) => {
    const between = value.includes("\n") ? "<br>" : " ";
    return `<strong>${escape(label)}:</strong>${between}${escape(value).replaceAll("\n", "<br>")}`;
  });
  return lines.join("<br>\n");
}

/** A body's lines, each with its end. */
function lined(text) {
  const lines = text.split(/\r\n|\r|\n/);
  if (lines.at(-1) === "") lines.pop();
  return `${lines.join("\n")}\n`;
}

/** A mail as it may be looked at in tests: header names in small letters. */
export function shownMail(mail) {
  const headers = Object.fromEntries([...mail.headers].map(([name, value]) => [name.toLowerCase(), value]));
  const { from, to, subject } = headers;
  return { to, from, subject, headers, text: mail.text, html: mail.html };
}

/** 5xx about the mail or its recipient is for good; a server that refuses us (530–539: no login) is not. */
export function refused(code) {
  const permanent = code >= 500 && code < 600 && !(code >= 530 && code < 540);
  return sent(false, String(code), { permanent });
}
