/**
 * The Worker in workerd, with a real D1, from the source's own files.
 *
 *     MAGNETGEN_TEST=1 node miniflare.mjs [PORT]
 *
 * MAGNETGEN_D1: the folder that the database is kept in; without it, in memory.
 */

import { fileURLToPath } from "node:url";

import { COMPATIBILITY, Miniflare, ROOT, schema } from "./d1.mjs";
import { services } from "./parts.mjs";

const TOLD = ["MAGNETGEN_TEST", "MAGNETGEN_TRUSTED_PROXIES"];
const settings = TOLD.filter((name) => process.env[name]).map((name) => [name, process.env[name]]);

const mf = new Miniflare({
  ...COMPATIBILITY,
  host: "127.0.0.1",
  port: Number(process.argv[2] ?? 0),
  modules: true,
  modulesRoot: ROOT,
  modulesRules: [{ type: "ESModule", include: ["**/*.mjs"] }],
  scriptPath: fileURLToPath(new URL("worker-entry.mjs", import.meta.url)),
  d1Databases: { DB: "magnetgen" },
  d1Persist: process.env.MAGNETGEN_D1 || false,
  bindings: { ...Object.fromEntries(settings), SERVICES: await services(), BOOK: "abcdefghijklmnopqrstuvwxyz" },
  cf: false,
  // What the Worker writes goes beside stdout: there is one line there, and it may have no reader after it.
  handleRuntimeStdio: (...streams) => streams.forEach((stream) => stream.pipe(process.stderr)),
});
const url = await mf.ready;
await (await mf.getD1Database("DB")).exec(schema());
// Only now: what is asked before the tables are there is refused.
console.log(`READY ${url.href}`);
process.on("SIGTERM", async () => {
  await mf.dispose();
  process.exit(0);
});
