/** A handler in this process, with a clock to set and sinks in memory; and servers that answer what they are told. */

import { createServer } from "node:http";

import { sent } from "../../../src/magnetgen/forms/edge/mail.mjs";
import { createRuntime } from "../../../src/magnetgen/forms/edge/runtime.mjs";
import { memoryStore } from "../../../src/magnetgen/forms/edge/store-memory.mjs";
import { Hook } from "../../../src/magnetgen/forms/edge/webhooks.mjs";
import { services } from "../hosts/parts.mjs";

export const NOW = 1_780_000_000;
export const ADMIN = "admin-0123456789abcdef0123456789abcdef0123456789abcdef";
export const ENV = {
  MAGNETGEN_SECRETS: `k1:${"01".repeat(32)}`,
  MAGNETGEN_EMAIL_KEY: "02".repeat(32),
  MAGNETGEN_ADMIN_TOKEN: ADMIN,
};
export const known = await services();

const EMAIL = { name: "email", type: "email", label: "Email", required: true, max: 254 };
const NAME = { name: "first_name", type: "text", label: "First name", required: false, max: 20 };

export function form(name, more = {}) {
  const page = `https://site.example/forms/${name}/`;
  return {
    title: name,
    fields: [EMAIL, NAME],
    consent: [],
    next: `${page}thanks/`,
    confirmed: `${page}confirmed/`,
    back: page,
    double_opt_in: false,
    min_seconds: 2,
    magnet: null,
    notify: [],
    ...more,
  };
}

export function documentOf(forms, more = {}) {
  return {
    v: 1,
    base_url: "https://site.example/",
    public_url: "https://site.example/api",
    origins: ["https://site.example"],
    forms,
    destinations: [{ name: "crm", kind: "webhook", url_env: "CRM_URL" }],
    ...more,
  };
}

const PLAIN = { plain: form("plain") };

/** `outcome(dest)`: what a delivery comes to. `lines`: the log, parsed. */
export function makeWorld({ forms = PLAIN, document, env = {}, store = memoryStore(), ...parts } = {}) {
  const world = { now: NOW, mails: [], hooks: [], lines: [], outcome: () => sent(true, "200"), store, client: 0 };
  world.runtime = createRuntime({
    forms: document ?? documentOf(forms),
    env: { ...ENV, ...env },
    store,
    services: known,
    clock: () => world.now,
    poster: {
      async post(url, headers, body) {
        world.hooks.push({ url, headers, body: Buffer.from(body).toString() });
        return world.outcome("crm");
      },
    },
    transport: {
      async send(mail) {
        const found = await world.outcome("mail");
        if (found.ok) world.mails.push(mail);
        return found;
      },
    },
    open: () => new Hook("https://crm.example/", Buffer.from("secret")),
    sender: "Lab <lab@site.example>",
    assets: { size: async () => null, read: async () => new Uint8Array(0) },
    log: (line) => world.lines.push(JSON.parse(line)),
    ...parts,
  });
  world.rows = async (table) => (await store.dump())[table];
  world.request = (method, path, body = "", headers = {}) => {
    world.client += 1;
    const named = Object.assign(Object.create(null), headers);
    const client = `10.0.${world.client >> 8}.${world.client & 255}`;
    const given = { method, path: `/api${path}`, headers: named, body: Buffer.from(body) };
    return world.runtime.answer({ ...given, query: "", client, id: "r1" });
  };
  world.submit = (name, body) => world.request("POST", `/forms/${name}`, body, SCRIPT);
  world.drain = () => world.runtime.deliverer.drain();
  return world;
}

export const SCRIPT = {
  accept: "application/json",
  "content-type": "application/x-www-form-urlencoded",
  origin: "https://site.example",
};

/** A server on a port of its own → {url, got, close}. `answer(request)` → {status, headers, body}, or null: never. */
export async function serving(answer) {
  const got = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    got.push({ method: request.method, path: request.url, headers: request.headers, body });
    const found = await answer(got.at(-1), response);
    if (found) response.writeHead(found.status ?? 200, found.headers ?? {}).end(found.body ?? "");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${server.address().port}`, got, close };
}
