/** Webhooks by Standard Webhooks, and HTTP to others: 15 seconds, no redirects followed. */

import { Buffer } from "node:buffer";

import { sent } from "./mail.mjs";
import { SiteFault } from "./site.mjs";
import { utf8 } from "./text.mjs";
import { mac } from "./tokens.mjs";

/** Seconds for the whole exchange. */
export const TIMEOUT = 15;
const RETRY_AFTER_MAX = 86_400;
/** Bytes of an answer that are read. */
const ANSWER_MAX = 65_536;

/** A webhook's address and secret (bytes). */
export class Hook {
  constructor(url, secret) {
    this.url = url;
    this.secret = secret;
  }

  async send(poster, delivery, findLead, now) {
    return poster.post(this.url, headers(this, delivery, now), bodyOf(delivery));
  }
}

/** A destination's settings from its environment. Throws SiteFault that names no value. */
export function openHook(name, url, secret) {
  return new Hook(address(`the address of the destination ${name}`, url), secretKey(name, secret));
}

/** An absolute address that holds nothing strange. Throws SiteFault that does not show it. */
export function address(what, url) {
  // The parser is kinder than this: it takes `https:host`, and white space within.
  const isSound = /^https?:\/\/[^/?#]/i.test(url) && /^[!-~]+$/.test(url) && URL.canParse(url);
  if (!isSound || new URL(url).port === "0") throw new SiteFault(`${what} is to be https://…`);
  return url;
}

/** `whsec_` and base64, as the standard has it; any other text is the key itself. */
export function secretKey(name, text) {
  if (!text.startsWith("whsec_")) return utf8(text);
  const base64 = text.slice("whsec_".length);
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64)) {
    throw new SiteFault(`the secret of the destination ${name} is not base64 after whsec_`);
  }
  return Buffer.from(base64, "base64");
}

/** The same bytes at every attempt. */
export function bodyOf(delivery) {
  return utf8(JSON.stringify(delivery.body));
}

/** Content type, id (the same over retries), time of this attempt, and the signature if there is a secret. */
export function headers(hook, delivery, now) {
  const [id, stamp] = [`msg_${delivery.id}`, String(Math.floor(now))];
  const made = {
    "content-type": "application/json",
    "user-agent": "magnetgen",
    "webhook-id": id,
    "webhook-timestamp": stamp,
  };
  if (hook.secret.length) {
    const signed = Buffer.concat([utf8(`${id}.${stamp}.`), bodyOf(delivery)]);
    made["webhook-signature"] = `v1,${mac(hook.secret, signed).toString("base64")}`;
  }
  return made;
}

/** Requests that are made with the same signal share this time. */
export function within(seconds) {
  return AbortSignal.timeout(seconds * 1000);
}

/** The platform's `fetch`, with one deadline for connecting, sending and reading → {post}. */
export function httpPoster(fetcher) {
  return {
    async post(url, given, body, method = "POST", signal = within(TIMEOUT)) {
      try {
        const options = { method, headers: given, redirect: "manual", signal };
        if (body.length) options.body = body;
        const answer = await fetcher(withoutUser(url), options);
        const found = judge(answer.status, answer.headers.get("retry-after") ?? "");
        return { ...found, body: await beginning(answer) };
      } catch (error) {
        return sent(false, faultOf(error));
      }
    },
  };
}

/** `fetch` refuses an address with a user in it; other hosts leave the user out. */
function withoutUser(url) {
  const parts = new URL(url);
  parts.username = parts.password = "";
  return parts.href;
}

/** What an answer in JSON begins with. The status has come: what is wrong with the rest changes nothing. */
async function beginning(answer) {
  if (!answer.body) return "";
  const reader = answer.body.getReader();
  try {
    if (!(answer.headers.get("content-type") ?? "").includes("json")) return "";
    return await textOf(reader);
  } catch {
    return "";
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function textOf(reader) {
  const [chunks, decoder] = [[], new TextDecoder("utf-8", { ignoreBOM: true })];
  for (let left = ANSWER_MAX; left > 0; ) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(decoder.decode(value.subarray(0, left), { stream: true }));
    left -= value.length;
  }
  return chunks.join("") + decoder.decode();
}

const FAULTS = {
  ECONNREFUSED: "ConnectionRefusedError",
  ECONNRESET: "ConnectionResetError",
  ENOTFOUND: "gaierror",
  EAI_AGAIN: "gaierror",
  UND_ERR_CONNECT_TIMEOUT: "TimeoutError",
};

/** What went wrong with a request, by the name that Python has for it; platforms that tell less get OSError. */
function faultOf(error) {
  if (error?.name === "TimeoutError" || error?.name === "AbortError") return "TimeoutError";
  const code = String(error?.cause?.code ?? "");
  if (/CERT|SIGNATURE/.test(code)) return "SSLCertVerificationError";
  return Object.hasOwn(FAULTS, code) ? FAULTS[code] : "OSError";
}

/** 2xx is success and nothing else is; 410: the destination is gone for good. */
export function judge(status, retryAfter = "", now = Date.now()) {
  if (status >= 200 && status < 300) return sent(true, String(status));
  const [gone, item] = [status === 410, [400, 413, 422].includes(status)];
  return sent(false, String(status), { permanent: gone, gone, retry_after: secondsOf(retryAfter, now), item });
}

const DAY = "(?:[A-Za-z]{3,9}, ?)?([0-9]{1,2})[ -]([A-Za-z]{3})[ -]([0-9]{2}|[0-9]{4})";
const DATE = new RegExp(`^${DAY} ([0-9]{2}):([0-9]{2})(?::([0-9]{2}))? (GMT|UTC?|[+-][0-9]{4})$`);
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/** Retry-After: seconds or a date → seconds from now, within a day. */
function secondsOf(text, now) {
  if (/^[0-9]{1,9}$/.test(text)) return Math.min(Number(text), RETRY_AFTER_MAX);
  const wait = Math.trunc((dateOf(text.trim()) - now) / 1000);
  return Number.isNaN(wait) ? 0 : Math.max(0, Math.min(wait, RETRY_AFTER_MAX));
}

/** A date of HTTP, or of mails → ms since the epoch; NaN for anything else. */
function dateOf(text) {
  const found = DATE.exec(text);
  const month = found ? MONTHS.indexOf(found[2].toLowerCase()) : -1;
  // -0000 is a time of nowhere.
  if (month < 0 || found[7] === "-0000") return NaN;
  const [day, hour, minute, second] = [found[1], found[4], found[5], found[6] ?? "0"].map(Number);
  const year = found[3].length === 2 ? Number(found[3]) + (Number(found[3]) > 68 ? 1900 : 2000) : Number(found[3]);
  const made = new Date(Date.UTC(year, month, day, hour, minute, second));
  if (made.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59) return NaN;
  const offset = /^([+-])([0-9]{2})([0-9]{2})$/.exec(found[7]);
  const ahead = offset ? (Number(offset[2]) * 60 + Number(offset[3])) * 60_000 : 0;
  return made.getTime() - (offset?.[1] === "-" ? -ahead : ahead);
}
