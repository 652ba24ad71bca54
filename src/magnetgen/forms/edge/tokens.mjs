/**
 * Tokens in links (`mg1.kid.payload.mac`), the keys behind them, and the keyed hash of an address.
 *
 * Keys: HKDF-SHA256 (RFC 5869) of a master secret, salted with its name and bound to one purpose. A token names its
 * key, so that two live beside each other while secrets are changed; the first of them signs.
 */

import { Buffer } from "node:buffer";
import { createHash, createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

import { dumps, parse } from "./json.mjs";
import { SiteFault } from "./site.mjs";
import { fromUtf8, lengthOf, partition, strip, utf8 } from "./text.mjs";

export const [CONFIRM, DOWNLOAD, UNSUBSCRIBE] = ["confirm", "download", "unsubscribe"];

/** Seconds; 0: for ever. */
export const LIFETIMES = Object.freeze({ [CONFIRM]: 7 * 86400, [DOWNLOAD]: 72 * 3600, [UNSUBSCRIBE]: 0 });
export const TOKEN_MAX = 1024;

/** Seconds that two clocks may differ. */
export const SKEW = 60;

/** Characters of base64url in 256 bits. */
export const ADMIN_MIN = 43;

const TOKEN = /^mg1\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})$/;
const KID = /^[A-Za-z0-9_-]{1,32}$/;
const HEX = /^(?:[0-9a-fA-F]{2}){32,64}$/;
const ID = /^[0-9a-f]{32}$/;
const NONCE = /^[A-Za-z0-9_-]{22}$/;
const FORM = /^[a-z0-9][a-z0-9-]{0,63}$/;
const REQUIRED = ["e", "f", "i", "n", "p", "s"];
const HOW = "`magnetgen secrets` makes all that is needed";

/** Malformed, forged, of another purpose, or of the future: nobody is told which. */
export class InvalidToken extends Error {
  constructor() {
    super("invalid token");
    this.name = "InvalidToken";
  }
}

/** Whether a token's time is over. */
export function isExpired(token, now) {
  return token.expires !== 0 && now > token.expires + SKEW;
}

/** The handler's secrets. `masters`: a Map of names to bytes, the first signs; `admin`: empty where there is none. */
export function keysOf(masters, email, admin = "") {
  return Object.freeze({ masters: new Map(masters), email, admin });
}

/** The name of the key that signs. */
export function signer(keys) {
  return keys.masters.keys().next().value;
}

/** MAGNETGEN_SECRETS, MAGNETGEN_EMAIL_KEY and MAGNETGEN_ADMIN_TOKEN. Throws SiteFault that says how to make them. */
export function parseKeys(env) {
  const admin = strip(env.MAGNETGEN_ADMIN_TOKEN ?? "");
  if (admin && lengthOf(admin) < ADMIN_MIN) {
    throw new SiteFault(`MAGNETGEN_ADMIN_TOKEN needs 256 bits, ${ADMIN_MIN} characters or more; ${HOW}`);
  }
  return keysOf(mastersOf(env.MAGNETGEN_SECRETS ?? ""), emailKeyOf(env.MAGNETGEN_EMAIL_KEY ?? ""), admin);
}

function mastersOf(text) {
  if (!strip(text)) throw new SiteFault(`MAGNETGEN_SECRETS is not set; ${HOW}`);
  const masters = new Map();
  for (const part of text.split(",")) {
    const [kid, colon, key] = partition(strip(part), ":");
    if (!colon || !KID.test(kid) || !HEX.test(key)) {
      throw new SiteFault(`MAGNETGEN_SECRETS is to be like k1:HEX with 64 or more hex digits; ${HOW}`);
    }
    if (masters.has(kid)) throw new SiteFault(`MAGNETGEN_SECRETS has two keys named ${kid}`);
    masters.set(kid, Buffer.from(key, "hex"));
  }
  return masters;
}

function emailKeyOf(given) {
  const text = strip(given);
  if (!text) throw new SiteFault(`MAGNETGEN_EMAIL_KEY is not set; ${HOW}`);
  if (!HEX.test(text)) throw new SiteFault(`MAGNETGEN_EMAIL_KEY is to be 64 or more hex digits; ${HOW}`);
  return Buffer.from(text, "hex");
}

/** HKDF-SHA256: extract, then expand. */
export function hkdf(master, salt, info, length = 32) {
  return Buffer.from(hkdfSync("sha256", master, salt, info, length));
}

/** HMAC-SHA256. */
export function mac(key, text) {
  return createHmac("sha256", key).update(text).digest();
}

/** The key of a purpose. */
export function derive(keys, kid, purpose) {
  return hkdf(keys.masters.get(kid), utf8(kid), utf8(`magnetgen/v1/${purpose}`));
}

/** What an address is unique by, and found by after it is erased: a keyed hash, in hex. */
export function emailKey(keys, address) {
  return mac(keys.email, utf8(address.toLowerCase())).toString("hex");
}

/** The token as text, of {purpose, form, lead, issued, expires, asset}. `nonce`: 16 random bytes. */
export function sign(keys, token, nonce) {
  const payload = {
    e: token.expires,
    f: token.form,
    i: token.issued,
    n: b64(nonce),
    p: token.purpose,
    s: token.lead,
    ...(token.asset ? { a: token.asset } : {}),
  };
  const kid = signer(keys);
  const head = `mg1.${kid}.${b64(utf8(dumps(payload, { sorted: true })))}`;
  return `${head}.${b64(mac(derive(keys, kid, token.purpose), utf8(head)))}`;
}

/** A fresh token. `lives`: seconds; 0: as its purpose says. */
export function issue(keys, purpose, form, lead, now, nonce, asset = "", lives = 0) {
  const [issued, lifetime] = [Math.trunc(now), lives || LIFETIMES[purpose]];
  return sign(keys, { purpose, form, lead, issued, expires: lifetime ? issued + lifetime : 0, asset }, nonce);
}

/** A genuine token of that purpose, expired or not. Throws InvalidToken for anything else. */
export function verify(keys, text, purpose, now) {
  const match = text.length <= TOKEN_MAX ? TOKEN.exec(text) : null;
  if (!match || !keys.masters.has(match[1])) throw new InvalidToken();
  const [, kid, payload, given] = match;
  const wanted = b64(mac(derive(keys, kid, purpose), utf8(`mg1.${kid}.${payload}`)));
  // Encoded texts are compared, so a MAC with loose bits at its end is another text.
  if (!timingSafeEqual(utf8(wanted), utf8(given))) throw new InvalidToken();
  const token = parsed(payload);
  if (token.purpose !== purpose || token.issued > now + SKEW) throw new InvalidToken();
  return token;
}

function parsed(payload) {
  let data;
  try {
    data = parse(fromUtf8(unb64(payload)), wholeNumber);
  } catch {
    throw new InvalidToken();
  }
  if (!(data instanceof Map) || !isShaped(data)) throw new InvalidToken();
  const [expires, form, issued, nonce, purpose, lead] = REQUIRED.map((name) => data.get(name));
  if (![expires, issued].every((time) => Number.isSafeInteger(time) && time >= 0)) throw new InvalidToken();
  if (!FORM.test(form) || !ID.test(lead) || !NONCE.test(nonce)) throw new InvalidToken();
  return Object.freeze({ purpose, form, lead, issued, expires, asset: data.get("a") ?? "" });
}

/** Exactly the names that a token has, all but the times with texts. */
function isShaped(data) {
  const names = [...data.keys()].filter((name) => name !== "a");
  if (names.length !== REQUIRED.length || !REQUIRED.every((name) => data.has(name))) return false;
  return [...data].every(([name, value]) => name === "e" || name === "i" || typeof value === "string");
}

/** An integer's value; a number that is written otherwise is none, whatever its value. */
function wholeNumber(digits) {
  return /^-?[0-9]+$/.test(digits) ? Number(digits) + 0 : NaN;
}

/** base64url without padding. */
export function b64(raw) {
  return Buffer.from(raw).toString("base64url");
}

/** Canonical base64url only. Throws TypeError. */
export function unb64(text) {
  const raw = Buffer.from(text, "base64url");
  if (b64(raw) !== text) throw new TypeError("not canonical");
  return raw;
}

/** Who asks, for counting only: no address is kept, and tomorrow's key is another. */
export function clientKey(keys, form, network, day) {
  const daily = derive(keys, signer(keys), `rate/${day}`);
  return mac(daily, utf8(`${form}\0${network}`)).subarray(0, 16).toString("hex");
}

/** The key of a submission that came without one. No client can send it: `~` is no character of theirs. */
export function derivedIdempotency(keys, form, address, fingerprint, bucket) {
  return `~${mac(keys.email, utf8(`${form}\0${address.toLowerCase()}\0${fingerprint}\0${bucket}`)).toString("hex")}`;
}

/** Constant-time comparison of texts of any length and kind. */
export function same(given, wanted) {
  return timingSafeEqual(digest(given), digest(wanted));
}

function digest(text) {
  return createHash("sha256").update(utf8(text)).digest();
}
