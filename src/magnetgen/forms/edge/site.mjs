/** forms.json as the handler knows it: forms, magnets, files, mails, pages, destinations. Keys are those of site.py. */

import { createHash } from "node:crypto";

import * as contract from "./contract.mjs";
import { dumps } from "./json.mjs";
import { hextets } from "./network.mjs";
import { origin, urlsplit, utf8 } from "./text.mjs";

export { origin };

/** Where Cloudflare's script puts its answer, unless the page tells it otherwise. */
export const TURNSTILE_FIELD = "cf-turnstile-response";

/** A forms.json, or an environment, that no handler can work with. The text says what to do. */
export class SiteFault extends Error {
  constructor(message) {
    super(message);
    this.name = "SiteFault";
  }
}

const DESTINATION = Object.freeze({ url_env: "", secret_env: "", key_env: "", list_env: "" });
const CONSENT = Object.freeze({ required: false });
/** The longest `valid_for` of a magnet, in seconds. */
const LIFETIME_MAX = 366 * 86_400;
const DEFAULT_PORTS = { http: 80, https: 443 };

/** The destinations that a form names; all of them where it names none. */
export function destinationsOf(site, form) {
  const named = form.spec.notify.filter((name) => !name.startsWith("email:"));
  if (!form.spec.notify.length) return [...site.destinations.values()];
  return named.filter((name) => site.destinations.has(name)).map((name) => site.destinations.get(name));
}

/** What a form gives: a magnet, or the file of that name; null where it gives nothing, or nothing is known of it. */
export function magnetOf(site, form) {
  const name = form ? form.spec.magnet : "";
  if (site.magnets.has(name)) return site.magnets.get(name);
  const asset = site.assets.get(name);
  return asset ? madeMagnet(name, { kind: "file", title: asset.filename, assets: [name] }) : null;
}

/** MAGNETGEN_PUBLIC_URL as browsers would write it: pages' origins are compared with it. Throws SiteFault. */
function publicUrl(url) {
  const { scheme, netloc, hostname, port, path, query, fragment } = urlsplit(url);
  const isWeb = Object.hasOwn(DEFAULT_PORTS, scheme) && /^[\0-\x7f]+$/.test(hostname);
  const isHost = !/[[\]]/.test(netloc) || isBracketed(netloc, hostname);
  if (!isWeb || !isHost || Number.isNaN(port) || query || fragment) {
    throw new SiteFault("MAGNETGEN_PUBLIC_URL is to be the handler's address: https://example.com/api");
  }
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  const end = port === null || port === DEFAULT_PORTS[scheme] ? "" : `:${port}`;
  return `${scheme}://${host}${end}${withoutSlashes(path)}`;
}

function isBracketed(netloc, hostname) {
  return /^(?:[^[\]]*@)?\[[^[\]]+\](?::[0-9]*)?$/.test(netloc) && hextets(hostname) !== null;
}

function withoutSlashes(text) {
  return text.replace(/(?<!\/)\/+$/, "");
}

/** forms.json from its text. `given` overrides the build's public URL. Throws SiteFault. */
export function load(text, given = "") {
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    throw new SiteFault("forms.json is not JSON: build the site again");
  }
  return siteFromData(data, given);
}

/** `load`, from what the JSON holds. Forms, assets, magnets and destinations become Maps, origins a Set. */
export function siteFromData(data, given = "") {
  const isObject = data !== null && typeof data === "object" && !Array.isArray(data);
  if (!isObject || data.v !== contract.VERSION) {
    throw new SiteFault(
      `forms.json has version ${isObject ? data.v : undefined}, this handler reads ${contract.VERSION}: ` +
        "build the site and run the handler with the same magnetgen",
    );
  }
  try {
    return madeSite(data, given);
  } catch (fault) {
    if (fault instanceof SiteFault) throw fault;
    throw new SiteFault(`forms.json lacks something (${fault.message}): build the site again`);
  }
}

function madeSite(data, given) {
  const baseUrl = need(data, "base_url");
  const url = given ? publicUrl(given) : withoutSlashes(need(data, "public_url"));
  return Object.freeze({
    base_url: baseUrl,
    public_url: url,
    origins: new Set(need(data, "origins")),
    title: data.title || urlsplit(baseUrl).netloc,
    forms: mapped(need(data, "forms"), (name, entry) => madeForm(name, entry, baseUrl)),
    assets: mapped(data.assets ?? {}, madeAsset),
    magnets: mapped(data.magnets ?? {}, madeMagnet),
    mails: data.mails ?? {},
    pages: data.pages ?? {},
    words: data.words ?? {},
    destinations: new Map((data.destinations ?? []).map((entry) => [need(entry, "name"), madeDestination(entry)])),
    prefix: withoutSlashes(urlsplit(url).path),
    own_origin: origin(url),
    secure: url.startsWith("https:"),
  });
}

function mapped(entries, make) {
  return new Map(Object.entries(entries).map(([name, entry]) => [name, make(name, entry)]));
}

function madeForm(name, entry, baseUrl) {
  if (!contract.FORM_NAME.test(name)) throw new TypeError(`form name ${name}`);
  const spec = Object.freeze({
    name,
    title: entry.title ?? name,
    fields: Object.freeze(need(entry, "fields").map(madeField)),
    consent: Object.freeze((entry.consent ?? []).map(madeConsent)),
    double_opt_in: Boolean(entry.double_opt_in),
    magnet: entry.magnet || "",
    min_seconds: integer(entry.min_seconds ?? 0),
    notify: Object.freeze([...(entry.notify ?? [])]),
  });
  return Object.freeze({
    spec,
    name,
    next: need(entry, "next"),
    confirmed: need(entry, "confirmed"),
    back: need(entry, "back"),
    version: createHash("sha256").update(utf8(dumps(entry, { sorted: true }))).digest("hex").slice(0, 12),
    per_hour: integer(entry.per_hour ?? contract.PER_HOUR),
    challenge: madeChallenge(entry.challenge ?? {}, name, baseUrl),
  });
}

function madeField(entry) {
  const field = known({ name: need(entry, "name"), ...contract.FIELD }, entry);
  const max = entry.max ?? contract.TYPES.get(field.type) ?? field.max;
  return Object.freeze({ ...field, options: Object.freeze([...field.options]), max });
}

function madeConsent(entry) {
  return known({ name: need(entry, "name"), text: need(entry, "text"), ...CONSENT }, entry);
}

/** `is_proof`: the handler judges it by itself; anything else somebody is asked about. */
function madeChallenge(entry, form, baseUrl) {
  if (!Object.keys(entry).length) return null;
  const kind = need(entry, "kind");
  if (kind !== contract.PROOF_OF_WORK && kind !== contract.TURNSTILE) throw new TypeError(`challenge ${kind}`);
  const isProof = kind === contract.PROOF_OF_WORK;
  return Object.freeze({
    kind,
    field: entry.field || (isProof ? contract.PROOF : TURNSTILE_FIELD),
    secret_env: isProof ? "" : need(entry, "secret_env"),
    hostname: entry.hostname || contract.hostname(baseUrl),
    action: entry.action ?? contract.challengeAction(kind, form),
    bits: isProof ? integer(need(entry, "bits")) : 0,
    is_proof: isProof,
  });
}

/** A file to be handed out. `key`: its name in the host's store of objects, where it is too large for the bundle. */
function madeAsset(name, entry) {
  return Object.freeze({
    name,
    file: need(entry, "file"),
    filename: entry.name ?? name,
    size: integer(need(entry, "size")),
    sha256: need(entry, "sha256"),
    key: entry.key ?? "",
  });
}

/**
 * What leads are given. `assets`: ids of files, the first by the bare link; else a code, or one of `codes` for each
 * lead, or only `url`, where it leads to. `valid_for`: seconds that a download link lives, 0: as long as links do;
 * `holes`: what only the mail says; `label`: of the button that leads to `url`.
 */
function madeMagnet(name, entry) {
  const made = Object.freeze({
    name,
    title: textIn(entry, "title") || name,
    kind: textIn(entry, "kind", null),
    valid_for: Object.hasOwn(entry, "valid_for") ? lifetime(entry.valid_for) : 0,
    assets: texts(entry, "assets"),
    holes: holesOf(entry),
    code: textIn(entry, "code"),
    codes: texts(entry, "codes"),
    url: textIn(entry, "url"),
    label: textIn(entry, "label"),
  });
  const gives = made.assets.length || made.code || made.codes.length || made.url;
  if (!gives) throw new TypeError(`nothing to give in ${name}`);
  return made;
}

function lifetime(value) {
  if (!Number.isInteger(value) || value < 1 || value > LIFETIME_MAX) throw new TypeError("valid_for");
  return value;
}

function texts(entry, key) {
  const found = Object.hasOwn(entry, key) ? entry[key] : [];
  if (!Array.isArray(found) || !found.every((one) => one && typeof one === "string")) throw new TypeError(key);
  return Object.freeze([...found]);
}

function textIn(entry, key, missing = "") {
  const found = Object.hasOwn(entry, key) ? entry[key] : missing;
  if (typeof found !== "string") throw new TypeError(key);
  return found;
}

function holesOf(entry) {
  const found = Object.hasOwn(entry, "holes") ? entry.holes : {};
  const isObject = found !== null && typeof found === "object" && !Array.isArray(found);
  if (!isObject || !Object.values(found).every((one) => typeof one === "string")) throw new TypeError("holes");
  return Object.freeze({ ...found });
}

/** Where leads go. The values of the `*_env` are names of environment variables. */
function madeDestination(entry) {
  return known({ name: need(entry, "name"), kind: need(entry, "kind"), ...DESTINATION }, entry);
}

/** The keys that are known of an entry: a newer build may say more. */
function known(defaults, entry) {
  const given = Object.keys(defaults).filter((key) => Object.hasOwn(entry, key));
  return Object.freeze({ ...defaults, ...Object.fromEntries(given.map((key) => [key, entry[key]])) });
}

function need(entry, key) {
  if (!Object.hasOwn(entry, key)) throw new TypeError(`no ${key}`);
  return entry[key];
}

function integer(value) {
  const found = Math.trunc(Number(value));
  if (value === null || !Number.isSafeInteger(found)) throw new TypeError("not a whole number");
  return found;
}
