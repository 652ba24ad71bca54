/**
 * What the edge handler's core makes of cases that Python wrote: [[function, arguments…], …] on standard input, the
 * results in the same order on standard output. Bytes travel in base64. See test_core_parity.py.
 */

import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";

const EDGE = new URL("../../../src/magnetgen/forms/edge/", import.meta.url);
const load = (name) => import(new URL(`${name}.mjs`, EDGE));
const decode = await load("decode");
const handler = await load("handler");
const http = await load("http");
const json = await load("json");
const links = await load("links");
const pattern = await load("pattern");
const proof = await load("proof");
const site = await load("site");
const text = await load("text");
const tokens = await load("tokens");
const validate = await load("validate");
const admin = await load("admin");

const bytes = (base64) => new Uint8Array(Buffer.from(base64, "base64"));
const KEYS = tokens.keysOf([["k1", Uint8Array.from(Array(32).keys())]], new Uint8Array(32).fill(7));

/** The result, or what was thrown: its name, with status and code where it has them. */
function outcome(work) {
  try {
    return work();
  } catch (fault) {
    return { fault: fault.name, ...(fault.status ? { status: fault.status, code: fault.code } : {}) };
  }
}

const FUNCTIONS = {
  decode: (body, kind) => decode.decode(bytes(body), kind),
  check_length: (header, read) => decode.checkLength(header, read) ?? null,
  media_type: (type, encoding) => decode.mediaType(type, encoding),
  network: (address) => handler.network(address),
  verify: (token, purpose, now) => tokens.verify(KEYS, token, purpose, now),
  issue: (...given) => tokens.issue(KEYS, given[0], given[1], given[2], given[3], bytes(given[4]), given[5]),
  derive: (purpose) => tokens.derive(KEYS, "k1", purpose).toString("hex"),
  email_key: (address) => tokens.emailKey(KEYS, address),
  client_key: (form, network, day) => tokens.clientKey(KEYS, form, network, day),
  derived_idempotency: (...given) => tokens.derivedIdempotency(KEYS, ...given),
  disposition: (name) => links.disposition(name),
  email: (value) => validate.email(value),
  escape: (value) => text.escape(value),
  quote: (value) => text.quote(value),
  location: (value) => http.redirect(value).headers[0][1],
  strip: (value) => text.strip(value),
  compare: (one, other) => Math.sign(text.compare(one, other)),
  length: (value) => text.lengthOf(value),
  attribution: (value) => validate.attribution(value),
  timer: (value) => validate.timer(value),
  matches: (given, value) => pattern.matches(given, value),
  uuid: (seed) => handler.uuid4(bytes(seed)),
  zero_bits: (solution) => proof.zeroBits(solution),
  is_right: (challenge, solution, now) => proof.isRight(challenge, solution, now),
  since: (value) => admin.sinceOf(value),
  dumps: (value) => json.dumps(value, { item: ", ", key: ": ", sorted: true }),
  wants_json: (headers) => http.wantsJson({ headers }),
  urlsplit: (url) => text.urlsplit(url),
  public_url: (data, given) => site.siteFromData(data, given).public_url,
  site: (data) => shown(site.siteFromData(data)),
  page: (data, name, given) => http.page(site.siteFromData(data), name, given),
  checked: (data, form, body, kind) => checked(site.siteFromData(data).forms.get(form), bytes(body), kind),
};

function checked(form, body, kind) {
  const cleaned = validate.clean(form.spec, decode.decode(body, kind), form.challenge?.field ?? "");
  const found = validate.check(form.spec, cleaned);
  return {
    too_long: validate.tooLong(form.spec, cleaned),
    reserved: Object.fromEntries(cleaned.reserved),
    values: { ...found.values },
    consent: Object.fromEntries(found.consent),
    faults: found.faults,
    email: found.email,
    fingerprint: validate.fingerprint(found),
  };
}

/** What a site is, as far as both languages can say it. */
function shown(made) {
  const forms = [...made.forms.values()].map((form) => ({
    ...form,
    spec: { ...form.spec },
    challenge: form.challenge && { ...form.challenge },
    goes_to: site.destinationsOf(made, form).map((one) => one.name),
  }));
  const assets = [...made.assets.values()];
  const magnets = [...made.magnets.values()];
  const gives = [...made.forms.values()].map((form) => site.magnetOf(made, form));
  const { base_url, public_url, title, prefix, own_origin, secure } = made;
  const plain = { base_url, public_url, title, prefix, own_origin, secure, origins: [...made.origins].sort() };
  return { ...plain, forms, assets, magnets, gives, destinations: [...made.destinations.values()] };
}

const cases = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(cases.map(([name, ...given]) => outcome(() => FUNCTIONS[name](...given)))));
