/**
 * A client of Netlify Blobs over HTTP, for one store. It speaks what the SDK speaks and depends on nothing.
 *
 * A function finds its access in NETLIFY_BLOBS_CONTEXT (or globalThis.netlifyBlobsContext), base64 of JSON with siteID,
 * token, edgeURL and uncachedEdgeURL; it may be another one in each invocation. Everything here goes to the uncached
 * address: only that reads what was just written. Without edge addresses the API is asked, which hands out a signed
 * address for reading and for writing.
 */

import { StoreUnavailable } from "./records.mjs";

export const KEY_MAX = 600;
/** Time for one request, in ms. */
export const OP_MS = 3000;
const TRIES = 3;
const API = "https://api.netlify.com";
const AGAIN = [408, 425, 429, 500, 502, 503, 504];
const SIGNED = "application/json;type=signed-url";

/** What a function knows of its blobs → {siteID, token, edgeURL…}, or null outside of Netlify. */
export function contextFrom(env) {
  const text = globalThis.netlifyBlobsContext || env.NETLIFY_BLOBS_CONTEXT;
  if (!text) return null;
  try {
    return JSON.parse(Buffer.from(text, "base64").toString("utf-8"));
  } catch {
    return null;
  }
}

/**
 * One store. `context()`: the access as it is now; `fetch`, `pause(attempt)`: the platform's.
 * @returns {{get, has, stream, setNew, set, remove, list, folders, removeAll}} All may throw StoreUnavailable.
 */
export function openBlobs({ name, context, fetch = globalThis.fetch, pause = backOff, opMs = OP_MS }) {
  const call = caller({ store: `site:${name}`, context, fetch, opMs });

  /** Asks again what may be asked again; what is not among `wanted` is a fault. */
  async function ask(method, key, wanted, more = {}) {
    for (let attempt = 0; ; attempt += 1) {
      const response = await call(method, key, more);
      if (response && wanted.includes(response.status)) return response;
      const passing = !response || AGAIN.includes(response.status);
      if (!passing || attempt === TRIES - 1) {
        throw new StoreUnavailable(`blobs: ${method} ${response?.status ?? "failed"}`);
      }
      await pause(attempt);
    }
  }

  async function* pages(prefix, folders) {
    let cursor = "";
    do {
      const all = { prefix, directories: folders ? "true" : "", cursor };
      const query = Object.fromEntries(Object.entries(all).filter(([, value]) => value));
      const response = await ask("GET", "", [200, 204, 404], { query });
      const page = response.status === 200 ? JSON.parse(response.text) : {};
      yield page;
      cursor = page.next_cursor ?? "";
    } while (cursor);
  }

  return {
    /** The text of a blob as it is now, or null. */
    async get(key) {
      const response = await ask("GET", key, [200, 404]);
      return response.status === 200 ? response.text : null;
    },
    async has(key) {
      return (await ask("HEAD", key, [200, 404])).status === 200;
    },
    /** The bytes of a blob as they come, or null. */
    async stream(key) {
      const response = await ask("GET", key, [200, 404], { stream: true });
      return response.status === 200 ? response.body : null;
    },
    /** Write what is not there yet → "written", "taken", or "unclear": it may have been written, now or later. */
    async setNew(key, text) {
      const response = await call("PUT", key, { body: text, onlyIfNew: true });
      if (response?.status === 412) return "taken";
      return response?.status === 200 && response.etag ? "written" : "unclear";
    },
    async set(key, text) {
      await ask("PUT", key, [200], { body: text });
    },
    async remove(key) {
      await ask("DELETE", key, [200, 204, 404]);
    },
    /** All keys that begin with `prefix`, in no order; after `most` of them no further page is asked for. */
    async list(prefix, most = Infinity) {
      const keys = [];
      for await (const page of pages(prefix, false)) {
        keys.push(...(page.blobs ?? []).map((blob) => blob.key));
        if (keys.length >= most) break;
      }
      return keys.filter(Boolean);
    },
    /** What stands before the next slash in the keys that begin with `prefix`, which ends with one. */
    async folders(prefix) {
      const found = new Set();
      for await (const page of pages(prefix, true)) {
        for (const folder of page.directories ?? []) found.add(folder.slice(prefix.length).replace(/\/$/, ""));
      }
      return [...found];
    },
    async removeAll() {
      let more = true;
      while (more) {
        const response = await ask("DELETE", "", [200, 204, 404]);
        more = response.status === 200 && JSON.parse(response.text || "{}").has_more === true;
      }
    },
  };
}

/** Wait before another try, at random so that two do not meet again and again. */
export function backOff(attempt) {
  return new Promise((done) => setTimeout(done, 5 + Math.random() * Math.min(25 * 2 ** attempt, 400)));
}

/** One request → {status, etag, text | body}, or null if there was no whole answer in time. */
function caller({ store, context, fetch, opMs }) {
  return async (method, key, { body, onlyIfNew = false, query = {}, stream = false } = {}) => {
    const ended = new AbortController();
    const timer = setTimeout(() => ended.abort(), opMs);
    const { signal } = ended;
    const path = key ? `/${pathOf(key)}` : "";
    try {
      const { url, headers } = await address({ store, context, fetch, signal, method, path, query });
      if (method === "PUT") headers["cache-control"] = "max-age=0, stale-while-revalidate=60";
      if (onlyIfNew) headers["if-none-match"] = "*";
      const response = await fetch(url, { method, headers, body, signal });
      const { status } = response;
      if (stream && status === 200) return { status, body: response.body };
      return { status, etag: response.headers.get("etag") ?? "", text: await response.text() };
    } catch (error) {
      if (error instanceof StoreUnavailable) throw error;
      return null;
    } finally {
      // A stream has begun in time; how long it takes is its reader's affair.
      clearTimeout(timer);
    }
  };
}

/** Where a request goes. Through the API, what concerns a blob's content goes to an address that is signed for it. */
async function address({ store, context, fetch, signal, method, path, query }) {
  const access = context();
  if (!access?.siteID || !access.token) throw new StoreUnavailable("blobs: NETLIFY_BLOBS_CONTEXT is not set");
  const place = `/${access.siteID}/${store}${path}`;
  const headers = { authorization: `Bearer ${access.token}` };
  if (access.edgeURL) {
    if (!access.uncachedEdgeURL) throw new StoreUnavailable("blobs: there is no uncachedEdgeURL to read from");
    return { url: withQuery(new URL(place, access.uncachedEdgeURL), query), headers };
  }
  const url = withQuery(new URL(`/api/v1/blobs${place}`, access.apiURL ?? API), query);
  if (!path || method === "DELETE" || method === "HEAD") return { url, headers };
  const response = await fetch(url, { method, headers: { ...headers, accept: SIGNED }, signal });
  if (response.status !== 200) throw new Error("no signed address");
  return { url: (await response.json()).url, headers: {} };
}

/** A key, which a URL escapes by itself. One that a URL would change is refused: it would be another's. */
function pathOf(key) {
  const odd = /[?#%\\\u0000-\u001f\u007f]|^\/|\/$|\/\/|(?:^|\/)\.{1,2}(?:\/|$)/.test(key);
  if (odd || !key.isWellFormed() || Buffer.byteLength(key) > KEY_MAX) throw new TypeError("not a key for blobs");
  return key;
}

function withQuery(url, query) {
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.toString();
}
