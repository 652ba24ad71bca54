/** A Netlify function in Node beside Netlify's own Blobs server: `node function.mjs FILE`. Prints READY and where. */

import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath, pathToFileURL } from "node:url";

const tools = fileURLToPath(new URL("../../tests/tools/", import.meta.url));
const { BlobsServer } = createRequire(tools)("@netlify/blobs/server");

const directory = await mkdtemp(path.join(tmpdir(), "magnetgen-bench-"));
const blobs = new BlobsServer({ directory, token: "token", port: 0 });
const { port } = await blobs.start();
const edgeURL = `http://127.0.0.1:${port}`;
const context = { siteID: "site", token: "token", edgeURL, uncachedEdgeURL: edgeURL };
process.env.NETLIFY_BLOBS_CONTEXT = Buffer.from(JSON.stringify(context)).toString("base64");

const { default: handle } = await import(pathToFileURL(process.argv[2]).href);
const server = http.createServer(async (incoming, outgoing) => {
  const { method, headers, url } = incoming;
  const body = method === "GET" || method === "HEAD" ? undefined : Readable.toWeb(incoming);
  const request = new Request(`http://127.0.0.1${url}`, { method, headers, body, duplex: "half" });
  const given = { ip: headers["cf-connecting-ip"] ?? "", site: {}, deploy: { context: "dev" }, waitUntil() {} };
  const response = await handle(request, given);
  outgoing.writeHead(response.status, [...response.headers].flat());
  outgoing.end(Buffer.from(await response.arrayBuffer()));
});
server.listen(0, "127.0.0.1", () => console.log(`READY http://127.0.0.1:${server.address().port}`));
process.on("SIGTERM", async () => {
  await blobs.stop();
  await rm(directory, { recursive: true, force: true });
  process.exit(0);
});
