/** Netlify's own Blobs server, in a folder of its own. It is not atomic, so its writes come one at a time. */

import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";

import { oneAtATime } from "./serial.mjs";

const require = createRequire(new URL("../../tools/package.json", import.meta.url));
const { BlobsServer } = require("@netlify/blobs/server");

export const { getStore } = require("@netlify/blobs");

/** → {url, access, context (as in NETLIFY_BLOBS_CONTEXT), stop()}. `onRequest({type, url})` hears of each operation. */
export async function startBlobs(onRequest) {
  const directory = await mkdtemp(path.join(tmpdir(), "magnetgen-blobs-"));
  const server = new BlobsServer({ directory, token: "token", port: 0, onRequest });
  const { port } = await server.start();
  const proxy = await oneAtATime(`http://127.0.0.1:${port}`);
  const { url } = proxy;
  const access = { siteID: "site", token: "token", edgeURL: url, uncachedEdgeURL: url };
  return {
    url,
    access,
    context: Buffer.from(JSON.stringify(access)).toString("base64"),
    async stop() {
      proxy.stop();
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
