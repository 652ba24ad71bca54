/**
 * The handler as a Cloudflare Worker: leads in D1 (`DB`), the site's pages as static assets (`ASSETS`), large files in
 * R2 (`ASSETS_BUCKET`). What is missing in its settings is said in the log, never to a visitor.
 */

import { randomBytes } from "node:crypto";

import { respond, unquote } from "./fetch.mjs";
import { complete } from "./handler.mjs";
import { makeContext, Problem, problem } from "./http.mjs";
import { event } from "./log.mjs";
import { StoreUnavailable } from "./records.mjs";
import { createRuntime } from "./runtime.mjs";
import { SiteFault, siteFromData } from "./site.mjs";
import { D1Store } from "./store-d1.mjs";

const RETRY_AFTER = "60";
/** How long a drain begins with more: the platform ends what still runs 30 s after the answer. */
const DRAIN_SECONDS = 14;
/** Deliveries that a run begins: the free plan allows it 50 queries of D1, and each delivery takes three to five. */
const DRAIN_MAX = 8;
const UNREADY = "This site cannot take anything in at the moment. Please try again later.\n";

/**
 * A Worker's handlers → {fetch(request, env, ctx), scheduled(event, env, ctx)}.
 *
 * `forms`: what forms.json holds; `assets`: {size, read} of the bundle's own files; `services`: the recipes;
 * `log(text)`: writes a line. A runtime is made once for each `env`, which is once in an isolate.
 */
export function worker({ forms, assets, services, log }) {
  return workerOf((env) => handlerOf({ forms, assets, services, log }, env), log);
}

/** The same around any handler: `open(env)` → {prefix, respond(request, options) → Promise<Response>, drain()}. */
export function workerOf(open, log) {
  const opened = new WeakMap();
  const handler = (env) => {
    if (!opened.has(env)) opened.set(env, open(env));
    return opened.get(env);
  };
  return {
    async fetch(request, env, ctx) {
      const id = requestId(request);
      try {
        const found = handler(env);
        if (!isBelow(found.prefix, request)) return await elsewhere(request, env);
        const client = request.headers.get("cf-connecting-ip") ?? "";
        return await found.respond(request, { client, id, waitUntil: (promise) => ctx.waitUntil(promise) });
      } catch (exc) {
        event("internal", { id, error: kindOf(exc) }, log);
        return plain(500, UNREADY);
      }
    },

    /** What a cron trigger does. What goes wrong with it is for the next one. */
    async scheduled(_event, env, _ctx) {
      try {
        await handler(env).drain();
      } catch (exc) {
        const name = exc instanceof StoreUnavailable ? "outbox_unavailable" : "outbox_broken";
        event(name, { error: kindOf(exc) }, log);
      }
    },
  };
}

function handlerOf(parts, env) {
  try {
    const runtime = runtimeOf(parts, env);
    return {
      prefix: runtime.site.prefix,
      respond: (request, options) => respond(runtime, request, options),
      drain: () => runtime.drain(),
    };
  } catch (exc) {
    const reason = exc instanceof SiteFault ? exc.message : `the handler cannot start (${kindOf(exc)})`;
    return refusing(parts, reason);
  }
}

function runtimeOf({ forms, assets, services, log }, env) {
  if (!env.DB) {
    throw new SiteFault(
      "no D1 database is bound as DB: make one (wrangler d1 create NAME), and name it in wrangler.toml under " +
        '[[d1_databases]] with binding = "DB"',
    );
  }
  const stored = bucketed(assets, env.ASSETS_BUCKET, log);
  const store = new D1Store(env.DB);
  const limits = { drainSeconds: DRAIN_SECONDS, drainMax: DRAIN_MAX };
  const runtime = createRuntime({ forms, env, store, assets: stored, services, log, ...limits });
  if (!env.ASSETS_BUCKET && [...runtime.site.assets.values()].some((asset) => asset.key)) {
    const hint = 'no R2 bucket is bound as ASSETS_BUCKET: name it in wrangler.toml under [[r2_buckets]]';
    event("downloads_unset", { hint }, log);
  }
  return runtime;
}

// Files

/** Assets of the bundle, and those that `deploy` has put into R2 as they were too large for it. */
function bucketed(assets, bucket, log) {
  return {
    async size(asset) {
      if (!asset.key) return assets.size(asset);
      try {
        const found = await bucket?.head(asset.key);
        if (!found) event("download_missing", { hint: "its file is not in R2: run `magnetgen deploy` again" }, log);
        return found ? found.size : null;
      } catch (exc) {
        event("download_unavailable", { error: kindOf(exc) }, log);
        return null;
      }
    },
    async read(asset, start, length) {
      if (!asset.key) return assets.read(asset, start, length);
      if (!length) return new Uint8Array(0);
      return (await bucket.get(asset.key, { range: { offset: start, length } })).body;
    },
  };
}

// Without a runtime

/** A handler that can only say that it cannot: to a visitor in the site's own words, to the log what is to be done. */
function refusing({ forms, log }, reason) {
  const refused = () => event("refused", { hint: reason }, log);
  const site = readable(forms);
  const drain = async () => refused();
  if (!site) {
    return { prefix: "/api", respond: async () => (refused(), plain(503, UNREADY)), drain };
  }
  const answer = async (request) => {
    refused();
    const ctx = makeContext(site, null, request, Date.now() / 1000, randomBytes);
    const fault = new Problem(503, "store_unavailable", [], [["retry-after", RETRY_AFTER]]);
    return complete(ctx, problem(ctx, fault));
  };
  const runtime = { site, proxies: 0, answer, refusal: answer, deliver: async () => {} };
  return { prefix: site.prefix, respond: (request, options) => respond(runtime, request, options), drain };
}

/** The site without its settings; null where even forms.json is wrong. */
function readable(forms) {
  try {
    return siteFromData(forms);
  } catch {
    return null;
  }
}

// Requests

function isBelow(prefix, request) {
  return unquote(new URL(request.url).pathname).startsWith(`${prefix}/`);
}

/** What is not the handler's is the site's: its pages, if they are bound. */
function elsewhere(request, env) {
  return env.ASSETS ? env.ASSETS.fetch(request) : plain(404, "Not found\n");
}

/** Cloudflare's own id of a request, by which its logs can be searched too. */
function requestId(request) {
  const ray = request.headers.get("cf-ray") ?? "";
  return /^[0-9A-Za-z-]{1,64}$/.test(ray) ? ray : randomBytes(8).toString("hex");
}

function plain(status, text) {
  const headers = {
    "cache-control": "no-store",
    "content-type": "text/plain; charset=utf-8",
    "x-content-type-options": "nosniff",
  };
  if (status === 503) headers["retry-after"] = RETRY_AFTER;
  return new Response(text, { status, headers });
}

function kindOf(exc) {
  return exc?.constructor?.name || "Error";
}
