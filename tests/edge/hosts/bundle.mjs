/** The Worker as it is deployed: a folder of modules, run by workerd with D1, R2 and pages beside it. */

import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { COMPATIBILITY, Miniflare, ROOT, schema } from "./d1.mjs";
import { services } from "./parts.mjs";

const ENTRY = `
import { worker } from "./lib/edge/worker.mjs";
import forms from "./lib/forms.mjs";
import services from "./lib/services.mjs";
import assets from "./lib/assets.mjs";
export default worker({ forms, services, assets });
`;
const NO_ASSETS = "export default { size: async () => null, read: async () => new Uint8Array(0) };";

/** Secrets, and a mail provider: what a Worker is told by its owner. */
export const SETTINGS = {
  MAGNETGEN_SECRETS: `k1:${"11".repeat(32)}`,
  MAGNETGEN_EMAIL_KEY: "22".repeat(32),
  MAGNETGEN_ADMIN_TOKEN: `admin-${"0123456789abcdef".repeat(4)}`,
  MAGNETGEN_MAIL_PROVIDER: "resend",
  MAGNETGEN_MAIL_KEY: "test-key",
  MAGNETGEN_MAIL_FROM: "Lab <lab@site.example>",
  CRM_URL: "https://crm.example/hook",
  CRM_SECRET: "whsec_dGVzdC13ZWJob29rLXNlY3JldA==",
};

const WHOLE = { settings: SETTINGS, pages: true, database: true, tables: true, bucket: true };

/**
 * A deployed Worker → {mf, url, lines, sent, close}. `forms`: what forms.json holds; `settings`: its environment;
 * `pages`, `database`, `tables`, `bucket`: whether it has them. `lines`: what it logs; `sent`: what it sends elsewhere,
 * and `answer(request)` says what that is answered.
 */
export async function deployed(given) {
  const { forms, settings, pages, database, tables, bucket } = { ...WHOLE, ...given };
  const folder = await mkdtemp(path.join(tmpdir(), "magnetgen-worker-"));
  await mkdir(path.join(folder, "lib"));
  await cp(path.join(ROOT, "src/magnetgen/forms/edge"), path.join(folder, "lib/edge"), { recursive: true });
  await writeFile(path.join(folder, "worker.mjs"), ENTRY);
  await writeFile(path.join(folder, "lib/forms.mjs"), `export default ${JSON.stringify(forms)};`);
  await writeFile(path.join(folder, "lib/services.mjs"), `export default ${JSON.stringify(await services())};`);
  await writeFile(path.join(folder, "lib/assets.mjs"), NO_ASSETS);
  const world = { lines: [], sent: [], answer: () => new Response("{}", { status: 200 }) };
  const mf = new Miniflare({
    ...COMPATIBILITY,
    host: "127.0.0.1",
    port: 0,
    modules: true,
    modulesRoot: folder,
    modulesRules: [{ type: "ESModule", include: ["**/*.mjs"] }],
    scriptPath: path.join(folder, "worker.mjs"),
    d1Databases: database ? { DB: "magnetgen" } : {},
    r2Buckets: bucket ? { ASSETS_BUCKET: "magnetgen-assets" } : {},
    serviceBindings: pages ? { ASSETS: page } : {},
    bindings: settings,
    outboundService: async (request) => {
      world.sent.push({ url: request.url, method: request.method, body: await request.text() });
      return world.answer(request);
    },
    handleRuntimeStdio: (...streams) => streams.forEach((stream) => collect(stream, world.lines)),
    cf: false,
  });
  const url = (await mf.ready).href.replace(/\/$/, "");
  if (database && tables) await (await mf.getD1Database("DB")).exec(schema());
  const close = async () => {
    await mf.dispose();
    await rm(folder, { recursive: true });
  };
  return Object.assign(world, { mf, url, close });
}

function page(request) {
  return new Response(`page ${new URL(request.url).pathname}`, { headers: { "content-type": "text/html" } });
}

function collect(stream, lines) {
  let rest = "";
  stream.on("data", (chunk) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop();
    lines.push(...parts.filter(Boolean));
  });
}

/** Wait until something is so. */
export async function until(isSo, what) {
  for (let turn = 0; turn < 400; turn += 1) {
    const found = await isSo();
    if (found) return found;
    await new Promise((resolve) => {
      setTimeout(resolve, 25);
    });
  }
  throw new Error(`never came: ${what}`);
}
