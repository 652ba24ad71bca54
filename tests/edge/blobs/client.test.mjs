/** Our client and Netlify's, each reading what the other wrote, on Netlify's own server; and what answers mean. */

import assert from "node:assert/strict";
import http from "node:http";
import { after, before, beforeEach, describe, it } from "node:test";

import { contextFrom, openBlobs } from "../../../src/magnetgen/forms/edge/blobs.mjs";
import { StoreUnavailable } from "../../../src/magnetgen/forms/edge/records.mjs";
import { getStore, startBlobs } from "./server.mjs";

const ODD = ["plain", "a/b/c", "with space", "é/ü/漢字", "\u{1f642}", "a=b&c;d:e@f,g+h", "(x)[y]{z}|^`", "~tilde.dot-dash_", "..a", "a.", "'\"<>"];
const noPause = async () => {};

describe("the client beside the SDK", () => {
  for (const through of ["edge", "api"]) {
    describe(`through the ${through}`, () => {
      let server;
      let ours;
      let theirs;
      before(async () => {
        server = await startBlobs();
        const access = through === "edge" ? server.access : { siteID: "site", token: "token", apiURL: server.url };
        ours = openBlobs({ name: "shop", context: () => access, pause: noPause });
        const strong = through === "edge" ? { consistency: "strong" } : {};
        theirs = getStore({ name: "shop", ...access, ...strong });
      });
      after(() => server.stop());
      beforeEach(() => ours.removeAll());

      it("reads what the SDK writes, and the SDK what it writes, whatever the key", async () => {
        for (const [n, key] of ODD.entries()) {
          await theirs.set(key, `theirs ${n} é`);
          assert.equal(await ours.get(key), `theirs ${n} é`, key);
          await ours.set(key, `ours ${n} \u{1f642}`);
          assert.equal(await theirs.get(key), `ours ${n} \u{1f642}`, key);
        }
        const listed = (await theirs.list()).blobs.map(({ key }) => key);
        assert.deepEqual((await ours.list("")).sort(), listed.sort());
        assert.equal(listed.length, ODD.length);
        for (const key of ODD) await ours.remove(key);
        assert.deepEqual((await theirs.list()).blobs, []);
      });

      it("knows what is not there, and removes what is not", async () => {
        assert.equal(await ours.get("none/here"), null);
        assert.equal(await ours.has("none/here"), false);
        assert.equal(await ours.stream("none/here"), null);
        await ours.remove("none/here");
      });

      it("streams bytes as they are", async () => {
        const bytes = Uint8Array.from({ length: 70_000 }, (_, n) => n % 256);
        await theirs.set("file", bytes.buffer);
        assert.equal(await ours.has("file"), true);
        const chunks = [];
        for await (const chunk of await ours.stream("file")) chunks.push(chunk);
        assert.deepEqual(Buffer.concat(chunks), Buffer.from(bytes));
      });
    });
  }

  // Through the API, the server takes a prefix for a part of the store's name.
  it("lists more than a thousand keys, and folders, as the SDK does", async () => {
    const server = await startBlobs();
    const ours = openBlobs({ name: "shop", context: () => server.access });
    const theirs = getStore({ name: "shop", ...server.access });
    const keys = Array.from({ length: 1100 }, (_, n) => `many/${n % 7}/${n}`);
    for (let at = 0; at < keys.length; at += 50) {
      await Promise.all(keys.slice(at, at + 50).map((key, n) => (n % 2 ? ours : theirs).set(key, "x")));
    }
    await ours.set("many-others/x", "x");
    assert.deepEqual((await ours.list("many/")).sort(), [...keys].sort());
    assert.deepEqual((await ours.folders("many/")).sort(), ["0", "1", "2", "3", "4", "5", "6"]);
    const { directories } = await theirs.list({ prefix: "many/", directories: true });
    assert.deepEqual(directories.map((name) => name.slice(5)).sort(), ["0", "1", "2", "3", "4", "5", "6"]);
    assert.deepEqual((await ours.list("many/1")).sort(), [...keys].filter((key) => key.startsWith("many/1")).sort());
    assert.deepEqual([await ours.list("none/"), await ours.folders("none/")], [[], []]);
    await server.stop();
  });

  it("writes what is not there yet, and only that, as the SDK does", async () => {
    const server = await startBlobs();
    const ours = openBlobs({ name: "shop", context: () => server.access });
    const theirs = getStore({ name: "shop", ...server.access });
    assert.equal(await ours.setNew("a", "1"), "written");
    assert.equal(await ours.setNew("a", "2"), "taken");
    assert.equal((await theirs.set("a", "3", { onlyIfNew: true })).modified, false);
    assert.equal((await theirs.set("b", "4", { onlyIfNew: true })).modified, true);
    assert.equal(await ours.setNew("b", "5"), "taken");
    assert.deepEqual([await theirs.get("a"), await ours.get("b")], ["1", "4"]);
    // With the API, the condition goes to the signed address.
    const api = openBlobs({ name: "shop", context: () => ({ siteID: "site", token: "token", apiURL: server.url }) });
    assert.deepEqual([await api.setNew("a", "6"), await api.setNew("c", "7")], ["taken", "written"]);
    await server.stop();
  });
});

describe("keys", () => {
  const ours = openBlobs({ name: "shop", context: () => ({ siteID: "s", token: "t", edgeURL: "http://127.0.0.1:9", uncachedEdgeURL: "http://127.0.0.1:9" }) });
  for (const key of ["/a", "a/", "a//b", "a/../b", "./a", "..", "a?b", "a#b", "a%20b", "a\\b", "a\nb", "\ud800", "x".repeat(601)]) {
    it(`refuses ${JSON.stringify(key).slice(0, 30)}: an address would make another of it`, async () => {
      await assert.rejects(ours.get(key), TypeError);
      await assert.rejects(ours.setNew(key, "x"), TypeError);
    });
  }
});

describe("what answers mean", () => {
  let server;
  let answers;
  let asked;
  let access;
  before(async () => {
    server = http.createServer((incoming, outgoing) => {
      asked.push(`${incoming.method} ${incoming.url} ${incoming.headers["if-none-match"] ?? ""}`.trim());
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer === "cut") return incoming.socket.destroy();
      if (answer === "silence") return undefined;
      const [status, headers = {}, body = ""] = answer;
      outgoing.writeHead(status, headers);
      return outgoing.end(body);
    });
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    const url = `http://127.0.0.1:${server.address().port}`;
    access = { siteID: "s", token: "t", edgeURL: "http://127.0.0.1:9", uncachedEdgeURL: url };
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  beforeEach(() => {
    [answers, asked] = [[], []];
  });
  const ours = () => openBlobs({ name: "n", context: () => access, pause: noPause, opMs: 300 });

  for (const [what, answer, outcome] of [
    ["200 with an ETag", [200, { etag: '"x"' }], "written"],
    ["412", [412], "taken"],
    ["200 without an ETag", [200], "unclear"],
    ["409", [409], "unclear"],
    ["500", [500], "unclear"],
    ["403", [403], "unclear"],
    ["a connection that is cut", "cut", "unclear"],
    ["silence", "silence", "unclear"],
  ]) {
    it(`setNew takes ${what} as ${outcome}, and asks once`, async () => {
      answers = [answer];
      assert.equal(await ours().setNew("k", "x"), outcome);
      assert.deepEqual(asked, ["PUT /s/site:n/k *"]);
    });
  }

  it("reads again after what passes, and gives up after three times", async () => {
    answers = [[503], "cut", [200, {}, "x"]];
    assert.equal(await ours().get("k"), "x");
    answers = [[503]];
    await assert.rejects(ours().get("k"), StoreUnavailable);
    assert.equal(asked.length, 6);
  });

  it("does not wait for ever for a stream to begin", { timeout: 10_000 }, async () => {
    answers = ["silence"];
    await assert.rejects(ours().stream("k"), StoreUnavailable);
    assert.equal(asked.length, 3);
  });

  it("never takes a refusal for a blob that is not there", async () => {
    for (const status of [401, 403, 400]) {
      answers = [[status]];
      await assert.rejects(ours().get("k"), StoreUnavailable);
    }
    assert.equal(asked.length, 3);
  });

  it("follows cursors to the end of a list", async () => {
    const page = (keys, next) => [200, {}, JSON.stringify({ blobs: keys.map((key) => ({ key })), next_cursor: next })];
    answers = [page(["a", "b"], "c1"), page(["c"], "c2"), page([], undefined)];
    assert.deepEqual(await ours().list("x/"), ["a", "b", "c"]);
    assert.deepEqual(asked, ["GET /s/site:n?prefix=x%2F", "GET /s/site:n?prefix=x%2F&cursor=c1", "GET /s/site:n?prefix=x%2F&cursor=c2"]);
  });

  it("asks for no more pages than what is wanted fills", async () => {
    answers = [[200, {}, '{"blobs":[{"key":"a"},{"key":"b"}],"next_cursor":"c1"}']];
    assert.deepEqual(await ours().list("x/", 3), ["a", "b", "a", "b"]);
    assert.equal(asked.length, 2);
  });

  it("removes all, as often as there is more", async () => {
    answers = [[200, {}, '{"blobs_deleted":1000,"has_more":true}'], [200, {}, '{"blobs_deleted":1,"has_more":false}']];
    await ours().removeAll();
    assert.equal(asked.length, 2);
  });

  it("says what is missing where there is no access, or none that reads what was just written", async () => {
    const without = openBlobs({ name: "n", context: () => null });
    await assert.rejects(without.get("k"), /NETLIFY_BLOBS_CONTEXT/);
    await assert.rejects(without.setNew("k", "x"), StoreUnavailable);
    const cached = openBlobs({ name: "n", context: () => ({ ...access, uncachedEdgeURL: undefined }) });
    await assert.rejects(cached.get("k"), /uncachedEdgeURL/);
  });

  it("finds its access in the environment, or where the runtime puts it", () => {
    const text = Buffer.from(JSON.stringify({ siteID: "é" })).toString("base64");
    assert.deepEqual(contextFrom({ NETLIFY_BLOBS_CONTEXT: text }), { siteID: "é" });
    assert.equal(contextFrom({}), null);
    assert.equal(contextFrom({ NETLIFY_BLOBS_CONTEXT: "no" }), null);
    globalThis.netlifyBlobsContext = text;
    assert.deepEqual(contextFrom({}), { siteID: "é" });
    delete globalThis.netlifyBlobsContext;
  });
});
