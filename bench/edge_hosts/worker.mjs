/** A Worker in workerd with a D1 kept in a folder: `node worker.mjs FOLDER MAIN D1 [SCHEMA]`. Prints READY and where. */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const tools = fileURLToPath(new URL("../../tests/tools/", import.meta.url));
const { Miniflare } = createRequire(tools)("miniflare");
const [folder, main, database, schema] = process.argv.slice(2);

const mf = new Miniflare({
  host: "127.0.0.1",
  port: 0,
  compatibilityDate: "2026-04-01",
  compatibilityFlags: ["nodejs_compat"],
  modules: true,
  modulesRoot: folder,
  modulesRules: [{ type: "ESModule", include: ["**/*.mjs"] }],
  scriptPath: path.join(folder, main),
  d1Databases: { DB: "leads" },
  d1Persist: database,
  bindings: Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("MAGNETGEN_"))),
  cf: false,
});
const url = await mf.ready;
if (schema) {
  const statements = (await readFile(schema, "utf8")).split(";\n").map((text) => text.replaceAll("\n", " ").trim());
  const db = await mf.getD1Database("DB");
  for (const statement of statements.filter(Boolean)) await db.exec(statement);
}
console.log(`READY ${url.origin}`);
process.on("SIGTERM", async () => {
  await mf.dispose();
  process.exit(0);
});
