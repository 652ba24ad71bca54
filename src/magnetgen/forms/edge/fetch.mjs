/** A host of web requests: reads one within its limits, lets the core answer, sends the answer, delivers afterwards. */

import { randomBytes } from "node:crypto";

import { BODY_MAX } from "./decode.mjs";
import { withHeaders } from "./http.mjs";
import { StoreUnavailable } from "./records.mjs";
import { trimmed } from "./text.mjs";

/** Time in which a body must have come: a slow client holds nothing. */
export const BODY_SECONDS = 10;

const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
const CLOSE = ["connection", "close"];
const NO_BODY = [101, 204, 205, 304];

class SlowClient extends Error {}

/**
 * One request. `webRequest`: a Request, or {method, url, headers, body} like one. `client`: its peer's address;
 * `waitUntil`: keeps the platform alive for a promise, without it nothing is delivered here; `id`: the request's.
 */
export async function respond(runtime, webRequest, options = {}) {
  const { client = "", waitUntil = null, id = "", seconds = BODY_SECONDS } = options;
  const request = requestOf(runtime, webRequest, client, id);
  let body;
  try {
    body = await readBody(webRequest.body, seconds);
  } catch (error) {
    // Whoever has left before the end of their body reads no answer.
    if (!(error instanceof SlowClient)) return new Response(null, { status: 400 });
    const refused = await runtime.refusal(request, 408, "timeout");
    return webResponse(runtime, request, withHeaders(refused, CLOSE));
  }
  const response = await runtime.answer({ ...request, body }, waitUntil);
  if (request.method === "POST" && waitUntil) waitUntil(runtime.deliver());
  const last = body.length > BODY_MAX;
  return webResponse(runtime, request, last ? withHeaders(response, CLOSE) : response);
}

function requestOf(runtime, webRequest, client, id) {
  const headers = Object.create(null);
  for (const [name, value] of webRequest.headers) {
    const known = name.toLowerCase();
    // The white space around a value is no part of it (RFC 9110, 5.5), which not every server knows.
    const bare = trimmed(value, (char) => char === "\t" || char === " ");
    headers[known] = known in headers ? `${headers[known]}, ${bare}` : bare;
  }
  const [, path, query] = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*([^?#]*)(?:\?([^#]*))?/i.exec(webRequest.url) ?? ["", "", ""];
  return {
    method: webRequest.method,
    path: unquote(path),
    headers,
    body: new Uint8Array(0),
    query: query ?? "",
    client: clientAddress(client, headers["x-forwarded-for"] ?? "", runtime.proxies),
    id: id || randomBytes(8).toString("hex"),
  };
}

/** Percent-escapes as the text that their bytes are; what is no UTF-8 becomes U+FFFD, what is no escape stays. */
export function unquote(path) {
  return path.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) =>
    UTF8.decode(Uint8Array.from(run.slice(1).split("%"), (digits) => parseInt(digits, 16))),
  );
}

/** Who is asking: the peer, or what the outermost of the trusted proxies saw. */
export function clientAddress(peer, forwarded, proxies) {
  if (!proxies) return peer;
  const chain = [...forwarded.split(",").map((part) => part.trim()).filter(Boolean), peer];
  return chain.length > proxies ? chain[chain.length - proxies - 1] : chain[0];
}

/** The body, as far as one byte beyond the limit; the rest of it is not read. Throws SlowClient. */
export async function readBody(stream, seconds = BODY_SECONDS, limit = BODY_MAX) {
  if (!stream) return new Uint8Array(0);
  const reader = stream.getReader();
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new SlowClient()), seconds * 1000);
  });
  try {
    return await Promise.race([collected(reader, limit), late]);
  } finally {
    clearTimeout(timer);
    // A cancelled stream may never settle: nobody waits for it.
    reader.cancel().catch(() => {});
  }
}

async function collected(reader, limit) {
  const chunks = [];
  let length = 0;
  while (length <= limit) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    length += value.length;
  }
  const body = new Uint8Array(Math.min(length, limit + 1));
  let at = 0;
  for (const chunk of chunks) {
    const piece = chunk.subarray(0, body.length - at);
    body.set(piece, at);
    at += piece.length;
  }
  return body;
}

async function webResponse(runtime, request, response) {
  const { status, file } = response;
  const headers = new Headers();
  for (const [name, value] of response.headers) headers.append(name, latin1(value));
  if (NO_BODY.includes(status)) return new Response(null, { status, headers });
  headers.set("content-length", String(file ? file.length : response.body.length));
  if (request.method === "HEAD") return new Response(null, { status, headers });
  if (!file) return new Response(response.body, { status, headers });
  let content;
  try {
    content = await runtime.readAsset(file);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    return webResponse(runtime, request, runtime.refusal(request, 503, "store_unavailable"));
  }
  return new Response(sized(content, file.length), { status, headers });
}

/** A header is Latin-1; what does not fit into it becomes `?`, as on other hosts. */
function latin1(value) {
  return value.replace(/[^\u0000-\u00ff]/gu, "?");
}

/** A platform may need to know a stream's length, or it drops the header. */
function sized(content, length) {
  if (!(content instanceof ReadableStream) || typeof FixedLengthStream === "undefined") return content;
  return content.pipeThrough(new FixedLengthStream(length));
}
