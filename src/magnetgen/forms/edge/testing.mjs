/** Hooks for the contract's vectors: a clock to set, sinks in memory. Only under MAGNETGEN_TEST=1, never else. */

import { coded } from "./admin.mjs";
import { openDestination } from "./destinations.mjs";
import { readBody, respond } from "./fetch.mjs";
import { dumps } from "./json.mjs";
import { ascii } from "./log.mjs";
import { claimants } from "./magnets.mjs";
import { refused, sent, shownMail } from "./mail.mjs";
import { SiteFault } from "./site.mjs";
import { withoutPrefix } from "./text.mjs";
import { Hook, judge } from "./webhooks.mjs";

const hex = (from, to) => Buffer.from(Array.from({ length: to - from }, (_, at) => from + at)).toString("hex");

/** The secrets of every vector, unless the environment sets its own. */
const SECRETS = {
  MAGNETGEN_SECRETS: `k1:${hex(0, 32)}`,
  MAGNETGEN_EMAIL_KEY: hex(32, 64),
  MAGNETGEN_ADMIN_TOKEN: `test-admin-token-${"0123456789abcdef".repeat(3)}`,
};
const HOOK_SECRET = Buffer.from("test-webhook-secret");
/** Settings of every destination other than webhooks; its address is `https://NAME.example/hook`. */
const SERVICE_ENV = { KEY: "test:key-us6", LIST: "7" };
const SENDER = "Lead Lab <leads@site.example>";
const SETTABLE = ["mail_code", "hook_status", "hook_statuses", "hook_body", "retry_after"];
const BODY_MAX = 1 << 24;

/**
 * The handler with `/_test/*` before it → {respond(webRequest, options)}. Nothing is delivered but by `/_test/drain`.
 *
 * `makeRuntime(parts)`: createRuntime with the host's own parts beside these; `store`: what it keeps leads in; `box`:
 * {read() → the last document that was written, or null; write(document)}, for runtimes that forget what is in memory
 * between requests; `env`: the environment.
 */
export function testApp({ makeRuntime, store, box = memoryBox(), env = globalThis.process?.env ?? {} }) {
  if (env.MAGNETGEN_TEST !== "1") throw new SiteFault("the test hooks need MAGNETGEN_TEST=1");
  let made = null;
  const load = async () => {
    const state = (await box.read()) ?? fresh({}, null);
    if (made?.state !== state) made = { state, runtime: runtimeOf(state, makeRuntime, store, env) };
    return made;
  };
  return {
    async respond(webRequest, options = {}) {
      const { state, runtime } = await load();
      const [target] = webRequest.url.replace(/^[a-z]+:\/\/[^/?#]*/i, "").split(/[?#]/);
      const path = withoutPrefix(target, runtime.site.prefix);
      if (!path.startsWith("/_test/")) {
        const response = await respond(runtime, webRequest, { ...options, waitUntil: null });
        if (path.startsWith("/admin/")) await box.write(noted(state, runtime));
        return response;
      }
      const text = new TextDecoder().decode(await readBody(webRequest.body, 60, BODY_MAX));
      const data = await hook(path.slice("/_test/".length), JSON.parse(text || "{}"), state, runtime, store, box);
      const status = data === null ? 404 : 200;
      const headers = { "content-type": "application/json" };
      return new Response(ascii(dumps(data, { item: ", ", key: ": " })), { status, headers });
    },
  };
}

function memoryBox() {
  let kept = null;
  return {
    read: () => kept,
    write: (state) => {
      kept = state;
    },
  };
}

function fresh(forms, now) {
  const sinks = { mail_code: 250, hook_status: 200, hook_statuses: [], hook_body: "", retry_after: "" };
  return { forms, now, sinks, mails: [], webhooks: [], breakers: {}, latest: 0 };
}

/** The document with what the deliverer remembers. */
function noted(state, runtime) {
  return Object.assign(state, { breakers: runtime.deliverer.breakers, latest: runtime.deliverer.latest });
}

async function hook(name, body, state, runtime, store, box) {
  if (name === "reset") {
    await store.clear();
    await box.write(fresh(body.forms ?? {}, instant(body.now)));
    return { ok: true };
  }
  if (name === "clock") {
    await box.write(Object.assign(state, { now: instant(body.now) }));
    return { now: state.now ?? Date.now() / 1000 };
  }
  if (name === "sinks") {
    for (const key of SETTABLE) if (Object.hasOwn(body, key)) state.sinks[key] = body[key];
    await box.write(state);
    return { ok: true };
  }
  if (name === "drain") {
    const done = await runtime.drain();
    await box.write(noted(state, runtime));
    return done;
  }
  if (name === "state") {
    const found = await store.dump();
    const codes = await store.codes(claimants(runtime.site, found.leads).map((lead) => lead.id));
    const leads = found.leads.map((lead) => coded(runtime.site, lead, codes));
    return { ...found, leads, mails: state.mails, webhooks: state.webhooks };
  }
  return null;
}

function runtimeOf(state, makeRuntime, store, env) {
  return makeRuntime({
    forms: documentOf(state.forms),
    env: env.MAGNETGEN_SECRETS ? env : { ...env, ...SECRETS },
    store,
    clock: () => state.now ?? Date.now() / 1000,
    poster: { post: async (...call) => postInto(state, ...call) },
    transport: { send: async (message) => mailInto(state, message) },
    open: ready,
    sender: SENDER,
    breakers: state.breakers,
    latest: state.latest,
  });
}

function mailInto(state, message) {
  if (state.sinks.mail_code !== 250) return refused(state.sinks.mail_code);
  state.mails.push(shownMail(message));
  return sent(true, "250");
}

function postInto(state, url, headers, body, method = "POST") {
  const status = state.sinks.hook_statuses.shift() ?? state.sinks.hook_status;
  state.webhooks.push({ method, url, headers: { ...headers }, body: Buffer.from(body).toString(), status });
  return { ...judge(status, state.sinks.retry_after), body: state.sinks.hook_body };
}

function ready(destination, env, services) {
  const url = `https://${destination.name}.example/hook`;
  if (destination.kind === "webhook") return new Hook(url, HOOK_SECRET);
  const named = { ...destination, url_env: "URL", secret_env: "", key_env: "KEY", list_env: "LIST" };
  return openDestination(named, { ...SERVICE_ENV, URL: url }, services);
}

/** A whole forms.json from a vector's `forms`, which may be only the forms, or the document itself. */
function documentOf(forms) {
  const whole = Object.hasOwn(forms, "forms") && !Object.hasOwn(forms.forms, "fields") ? forms : { forms };
  return {
    v: 1,
    title: "Lead Lab",
    base_url: "https://site.example/",
    public_url: "https://site.example/api",
    origins: ["https://site.example"],
    ...whole,
  };
}

/** Seconds since the epoch, or an ISO time → seconds. */
function instant(value) {
  return typeof value === "string" ? Date.parse(value) / 1000 : (value ?? null);
}
