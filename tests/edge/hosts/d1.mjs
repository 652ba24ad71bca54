/** A real D1 in workerd, with the tables that schema.py says. Miniflare is one of the tests' tools. */

import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
export const { Miniflare } = createRequire(`${ROOT}tests/tools/`)("miniflare");
export const COMPATIBILITY = { compatibilityDate: "2026-04-01", compatibilityFlags: ["nodejs_compat"] };

const SCHEMA = "from magnetgen.forms.store import schema; print('\\n'.join(schema.for_d1()))";

/** A worker that hands batches on: each is one request, where Miniflare's own proxy makes many of them, one by one. */
const WORKER = `export default {
  async fetch(request, env) {
    const statements = await request.json();
    try {
      return Response.json(await env.DB.batch(statements.map((one) => env.DB.prepare(one.sql).bind(...one.values))));
    } catch (exc) {
      return Response.json({ message: exc.message }, { status: 500 });
    }
  },
};`;

/** The statements that make the tables, one a line. */
export function schema() {
  const env = { ...process.env, PYTHONPATH: `${ROOT}src` };
  return execFileSync(process.env.PYTHON ?? "python3", ["-c", SCHEMA], { env, encoding: "utf8" });
}

/** An empty database → {db, close}; `db` has what the store needs of D1's interface. */
export async function openD1() {
  const mf = new Miniflare({
    ...COMPATIBILITY,
    host: "127.0.0.1",
    port: 0,
    modules: true,
    script: WORKER,
    d1Databases: { DB: "magnetgen" },
    cf: false,
  });
  const url = await mf.ready;
  await (await mf.getD1Database("DB")).exec(schema());
  return { db: overHttp(url), close: () => mf.dispose() };
}

function overHttp(url) {
  const prepare = (sql) => ({ bind: (...values) => ({ sql, values }) });
  const batch = async (statements) => {
    const answer = await fetch(url, { method: "POST", body: JSON.stringify(statements) });
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.message);
    return found;
  };
  return { prepare, batch };
}
