/** The Worker with its test hooks on. What files are to a host in Node are bindings here: SERVICES, BOOK. */

import { createRuntime } from "../../../src/magnetgen/forms/edge/runtime.mjs";
import { D1Store } from "../../../src/magnetgen/forms/edge/store-d1.mjs";
import { testApp } from "../../../src/magnetgen/forms/edge/testing.mjs";
import { workerOf } from "../../../src/magnetgen/forms/edge/worker.mjs";

/** The one file of a vector's site. */
function assetsOf(book) {
  const bytes = new TextEncoder().encode(book);
  const isThere = (asset) => asset.file === "content/magnets/book.txt";
  return {
    size: async (asset) => (isThere(asset) ? bytes.length : null),
    read: async (asset, start, length) => new Blob([bytes.slice(start, start + length)]).stream(),
  };
}

/** The document of the test hooks: in memory, and in D1 so that a host that was killed goes on where it was. */
function boxOf(db) {
  let kept;
  return {
    async read() {
      if (kept === undefined) {
        await db.exec("CREATE TABLE IF NOT EXISTS test_box(id INTEGER PRIMARY KEY, document TEXT NOT NULL)");
        kept = JSON.parse((await db.prepare("SELECT document FROM test_box").first("document")) ?? "null");
      }
      return kept;
    },
    async write(document) {
      kept = document;
      await db.prepare("INSERT OR REPLACE INTO test_box VALUES(1, ?)").bind(JSON.stringify(document)).run();
    },
  };
}

export default workerOf((env) => {
  const own = { services: env.SERVICES, assets: assetsOf(env.BOOK) };
  const makeRuntime = (parts) => createRuntime({ ...own, ...parts });
  const app = testApp({ makeRuntime, store: new D1Store(env.DB), box: boxOf(env.DB), env });
  return { prefix: "/api", respond: app.respond, drain: async () => {} };
});
