/**
 * One write at a time to a Blobs server: the one of the SDK looks whether a blob is there, and writes it later, so that
 * two who set the same new blob at once are both told that they did. Netlify's promises that one of them is.
 */

import http from "node:http";

/** A proxy before a server at `url` → {url, stop()}. */
export async function oneAtATime(url) {
  let last = Promise.resolve();
  const { hostname, port } = new URL(url);
  const forward = (incoming, outgoing) =>
    new Promise((resolve) => {
      const options = { hostname, port, method: incoming.method, path: incoming.url, headers: incoming.headers };
      const upstream = http.request(options, (answer) => {
        outgoing.writeHead(answer.statusCode, answer.headers);
        answer.pipe(outgoing);
        answer.on("close", resolve);
      });
      upstream.on("error", () => {
        outgoing.destroy();
        resolve();
      });
      incoming.pipe(upstream);
    });
  const server = http.createServer((incoming, outgoing) => {
    if (incoming.method === "GET" || incoming.method === "HEAD") forward(incoming, outgoing);
    else last = last.then(() => forward(incoming, outgoing));
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}
