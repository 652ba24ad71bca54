/** A real D1 in workerd, with the tables that schema.py says. Miniflare is one of the tests' tools. */

import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
export const { Miniflare } = createRequire(`${ROOT}tests/tools/`)("miniflare");
export const COMPATIBILITY = { compatibilityDate: "2026-04-01", compatibilityFlags: ["nodejs_compat"] };

const SCHEMA = "from magnetgen.forms.store import schema; print('\\n'.join(schema.for_d1()))";

/** The statements that make the tables, one a line. */
export function schema() {
  const env = { ...process.env, PYTHONPATH: `${ROOT}src` };
  return execFileSync(process.env.PYTHON ?? "python3", ["-c", SCHEMA], { env, encoding: "utf8" });
}

/** An empty database → {db, close}. `persist`: the folder that it is kept in. */
export async function openD1({ persist } = {}) {
  const mf = new Miniflare({
    ...COMPATIBILITY,
    modules: true,
    script: "export default { fetch() { return new Response(null, { status: 404 }); } };",
    d1Databases: { DB: "magnetgen" },
    d1Persist: persist ?? false,
    cf: false,
  });
  const db = await mf.getD1Database("DB");
  await db.exec(schema());
  return { db, close: () => mf.dispose() };
}
