/**
 * The function that Netlify's own runtime loads in tests: the handler with its test hooks on. It is loaded anew for each
 * request, so what the hooks remember is kept in a blob.
 */

import { netlifyOf, opened } from "../lib/edge/netlify.mjs";
import { createRuntime } from "../lib/edge/runtime.mjs";
import { BlobStore } from "../lib/edge/store-blobs.mjs";
import { testApp } from "../lib/edge/testing.mjs";
import services from "../lib/services.mjs";

const BOOK = new TextEncoder().encode("abcdefghijklmnopqrstuvwxyz");
const BOX = "state";

const assets = {
  size: async (asset) => (asset.file === "content/magnets/book.txt" ? BOOK.length : null),
  read: async (_asset, start, length) => BOOK.slice(start, start + length),
};

const app = netlifyOf((env, name) => {
  const memory = opened("magnetgen-test");
  const box = {
    read: async () => JSON.parse((await memory.get(BOX)) ?? "null"),
    write: (state) => memory.set(BOX, JSON.stringify(state)),
  };
  const makeRuntime = (parts) => createRuntime({ ...parts, assets, services });
  return testApp({ makeRuntime, store: new BlobStore(opened(name)), box, env });
});

export default app.handle;
export const config = { path: ["/api/*"] };
