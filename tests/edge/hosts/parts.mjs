/** What hosts of tests are made of: the recipes as they lie in the repository, assets of a site's folder, HTTP. */

import { createReadStream } from "node:fs";
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";

const DATA = fileURLToPath(new URL("../../../src/magnetgen/forms/data/", import.meta.url));

/** {destinations, mail, mails} as a bundle has them. */
export async function services() {
  const mails = JSON.parse(await readFile(path.join(DATA, "mails.json"), "utf8"));
  return { destinations: await recipes("destinations"), mail: await recipes("mail"), mails };
}

async function recipes(folder) {
  const found = {};
  for (const file of (await readdir(path.join(DATA, folder))).sort()) {
    found[path.parse(file).name] = JSON.parse(await readFile(path.join(DATA, folder, file), "utf8"));
  }
  return found;
}

/** Assets that lie in content/magnets/ or .magnetgen/ of a site's folder. */
export function folderAssets(root) {
  const place = async (asset) => {
    const file = await realpath(path.join(root, asset.file));
    for (const folder of ["content/magnets", ".magnetgen"]) {
      if (file.startsWith(path.join(await realpath(root), folder) + path.sep)) return file;
    }
    return null;
  };
  return {
    async size(asset) {
      try {
        const file = await place(asset);
        return file ? (await stat(file)).size : null;
      } catch {
        return null;
      }
    },
    async read(asset, start, length) {
      if (!length) return new Uint8Array(0);
      const file = await place(asset);
      return Readable.toWeb(createReadStream(file, { start, end: start + length - 1 }));
    },
  };
}

/** Serve `respond(request, {client})` over HTTP; prints where, once it can be asked. `request`: like a web Request. */
export function serve(respond, port) {
  const server = http.createServer(async (incoming, outgoing) => {
    try {
      await send(await respond(webRequest(incoming), { client: incoming.socket.remoteAddress ?? "" }), outgoing);
    } catch (error) {
      // Whoever left before the end of an answer is no fault of the handler.
      if (error.code !== "ERR_STREAM_PREMATURE_CLOSE") console.error(error);
      outgoing.destroy();
    }
  });
  process.on("SIGTERM", () => {
    server.close();
    server.closeAllConnections();
  });
  server.listen(Number(port), "127.0.0.1", () => console.log(`READY http://127.0.0.1:${server.address().port}`));
  return server;
}

/** The request's target is not parsed: a Request would resolve `..` in it, and refuse a GET with a body. */
function webRequest(incoming) {
  const { method, rawHeaders, url } = incoming;
  const headers = [];
  for (let at = 0; at < rawHeaders.length; at += 2) headers.push([rawHeaders[at], rawHeaders[at + 1]]);
  return { method, url: url.startsWith("/") ? `http://127.0.0.1${url}` : url, headers, body: bodyOf(incoming) };
}

/** As web streams are: read only when asked; an answer can still be sent when it was cancelled. */
function bodyOf(incoming) {
  let open = true;
  const end = (finish) => {
    if (open) finish();
    open = false;
  };
  return new ReadableStream({
    start(controller) {
      incoming.pause();
      incoming.on("data", (chunk) => {
        if (open) controller.enqueue(new Uint8Array(chunk));
        if (open) incoming.pause();
      });
      incoming.on("end", () => end(() => controller.close()));
      incoming.on("error", (error) => end(() => controller.error(error)));
    },
    pull() {
      incoming.resume();
    },
    cancel() {
      open = false;
      // What is left is thrown away: else the connection would be reset under the answer.
      incoming.resume();
    },
  });
}

async function send(response, outgoing) {
  const headers = [...response.headers].flat();
  outgoing.writeHead(response.status, headers);
  if (response.body) await pipeline(Readable.fromWeb(response.body), outgoing);
  else outgoing.end();
}
