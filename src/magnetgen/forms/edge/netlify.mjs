/**
 * The handler as Netlify Functions: leads in Netlify Blobs, large files too. What is missing in its settings is said in
 * the log, never to a visitor.
 */

import { randomBytes } from "node:crypto";

import { contextFrom, openBlobs } from "./blobs.mjs";
import { respond } from "./fetch.mjs";
import { event } from "./log.mjs";
import { StoreUnavailable } from "./records.mjs";
import { createRuntime } from "./runtime.mjs";
import { SiteFault } from "./site.mjs";
import { BlobStore } from "./store-blobs.mjs";

const ASSETS = "magnetgen-assets";
/** A scheduled function is ended after 30 s, and an attempt may take 15 s: nothing is begun after so many. */
const DRAIN_SECONDS = 14;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,59}$/;
const UNREADY = "This site cannot take anything in at the moment. Please try again later.\n";

/**
 * A site's functions → {handle(request, context), drain(request, context)}.
 *
 * `forms`: what forms.json holds; `assets`: {size, read} of the bundle's own files; `services`: the recipes;
 * `log(text)`: writes a line. Headers of _headers do not apply to functions: the handler sends its own.
 */
export function netlify({ forms, assets, services, log }) {
  return netlifyOf((env, store) => {
    const stored = withUploads(assets, opened(ASSETS), log);
    const parts = { forms, env, store: new BlobStore(opened(store)), assets: stored, services, log };
    const runtime = createRuntime({ ...parts, drainSeconds: DRAIN_SECONDS });
    return { respond: (request, options) => respond(runtime, request, options), drain: () => runtime.drain() };
  }, log);
}

/** The same around any handler. `open(env, store)` → {respond(request, options), drain()}, once for each store. */
export function netlifyOf(open, log) {
  const handlers = new Map();

  const handler = (context) => {
    const env = environment();
    const store = storeName(env, context);
    if (!handlers.has(store)) handlers.set(store, opening(() => open(env, store), log));
    return handlers.get(store);
  };

  return {
    async handle(request, context) {
      const id = requestId(context);
      try {
        const found = handler(context);
        if (!found) return plain(503);
        const waitUntil = context?.waitUntil ? (promise) => context.waitUntil(promise) : null;
        return await found.respond(request, { client: context?.ip ?? "", id, waitUntil });
      } catch (error) {
        event(error instanceof SiteFault ? "refused" : "internal", { id, ...why(error) }, log);
        return plain(error instanceof SiteFault ? 503 : 500);
      }
    },

    /** What the schedule does. What goes wrong with it is for the next time. */
    async drain(_request, context) {
      try {
        const found = handler(context);
        if (!found) return plain(503);
        return new Response(JSON.stringify(await found.drain()), { headers: { "content-type": "application/json" } });
      } catch (error) {
        const name = error instanceof StoreUnavailable ? "outbox_unavailable" : "outbox_broken";
        event(name, why(error), log);
        return plain(503);
      }
    },
  };
}

/** A handler, or null if its settings do not allow one: they cannot change while this process lives. */
function opening(open, log) {
  try {
    return open();
  } catch (error) {
    event("refused", why(error), log);
    return null;
  }
}

function environment() {
  return globalThis.Netlify?.env?.toObject?.() ?? process.env;
}

/** A store of blobs. Its access is looked up for every request to it: each invocation may get another. */
export function opened(name) {
  return openBlobs({ name, context: () => contextFrom(environment()) });
}

/** Where leads are kept: what is set, or a place of their own for those of a deploy that is not the site's. */
export function storeName(env, context) {
  const set = env.MAGNETGEN_STORE || "";
  if (!set) return (context?.deploy?.context ?? "production") === "production" ? "magnetgen" : "magnetgen-preview";
  const name = set.startsWith("blobs:") ? set.slice("blobs:".length) : "";
  if (NAME.test(name)) return name;
  throw new SiteFault("MAGNETGEN_STORE is to be blobs:NAME on Netlify, or not set");
}

/** Assets of the bundle, and those that `deploy` has put into blobs as they were too large for it. */
export function withUploads(assets, blobs, log) {
  return {
    async size(asset) {
      if (!asset.key) return assets.size(asset);
      if (await blobs.has(asset.key)) return asset.size;
      event("download_missing", { hint: "its file is not in Netlify Blobs: run `magnetgen deploy` again" }, log);
      return null;
    },
    async read(asset, start, length) {
      if (!asset.key) return assets.read(asset, start, length);
      if (!length) return new Uint8Array(0);
      const stream = await blobs.stream(asset.key);
      if (!stream) throw new StoreUnavailable("blobs: a file has gone");
      return stream.pipeThrough(part(start, length));
    },
  };
}

/** `length` bytes of a stream from `start` on; what comes after them is not read. */
function part(start, length) {
  let skip = start;
  let left = length;
  return new TransformStream({
    transform(chunk, controller) {
      const from = Math.min(skip, chunk.length);
      skip -= from;
      const piece = chunk.subarray(from, from + left);
      left -= piece.length;
      if (piece.length) controller.enqueue(piece);
      if (!left) controller.terminate();
    },
  });
}

/** Netlify's own id of a request, by which its logs can be searched too. */
function requestId(context) {
  const given = context?.requestId ?? "";
  return /^[0-9A-Za-z-]{1,64}$/.test(given) ? given : randomBytes(8).toString("hex");
}

/** What to do about it; or of what kind it was, as its words may hold anything. */
function why(error) {
  return error instanceof SiteFault ? { hint: error.message } : { error: error?.constructor?.name || "Error" };
}

function plain(status) {
  const headers = {
    "cache-control": "no-store",
    "content-type": "text/plain; charset=utf-8",
    "x-content-type-options": "nosniff",
    "retry-after": "60",
  };
  return new Response(UNREADY, { status, headers });
}
