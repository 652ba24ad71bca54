/** One handler at work: the core's requests answered by a store, a clock, a network. Hosts are thin around it. */

import { randomBytes } from "node:crypto";

import { verifierFromEnv } from "./challenge.mjs";
import { openDestination, Unset } from "./destinations.mjs";
import { complete, handle, internal } from "./handler.mjs";
import { review } from "./held.mjs";
import { makeContext, Problem, problem } from "./http.mjs";
import { event } from "./log.mjs";
import { address, Composer } from "./mail.mjs";
import { openMail } from "./mail-api.mjs";
import { Deliverer } from "./outbox.mjs";
import { NO_CODES, StoreUnavailable } from "./records.mjs";
import { SiteFault, siteFromData } from "./site.mjs";
import { withoutPrefix } from "./text.mjs";
import { parseKeys } from "./tokens.mjs";
import { httpPoster } from "./webhooks.mjs";

const ROUTES = ["forms", "confirm", "unsubscribe", "download", "admin", "healthz", "readyz"];
const METHODS = ["GET", "HEAD", "POST", "OPTIONS"];

/**
 * A handler as the environment says. Throws SiteFault that says what to do.
 *
 * `forms`: what forms.json holds; `env`: name → value; `assets`: {size(asset) → Promise<number|null>,
 * read(asset, start, length) → Promise<Uint8Array|ReadableStream>}; `services`: {destinations, mail: name → recipe,
 * mails: the mails that come with magnetgen}; `clock`: seconds since the epoch; `random(n)`: that many bytes;
 * `fetch`: the platform's; `log(text)`: writes a line; `drainSeconds`,
 * `drainMax`: after so many seconds, or deliveries, nothing more is begun in a drain.
 * Tests put sinks in place of `poster` and `transport`, and open destinations by themselves.
 */
export function createRuntime(parts) {
  const { forms, env, store, assets, services, log } = parts;
  const clock = parts.clock ?? (() => Date.now() / 1000);
  const random = parts.random ?? ((size) => new Uint8Array(randomBytes(size)));
  const fetcher = parts.fetch ?? ((...args) => globalThis.fetch(...args));
  const note = (name, facts) => event(name, facts, log);
  const keys = parseKeys(env);
  const site = siteFromData(forms, env.MAGNETGEN_PUBLIC_URL ?? "");
  const poster = parts.poster ?? httpPoster(fetcher);
  const transport = parts.transport ?? openMail(env, poster, services);
  const sender = parts.sender ?? env.MAGNETGEN_MAIL_FROM ?? "";
  checkSender(sender, transport);
  if (!transport) note("not_set_up", { hint: "mails wait in the outbox: MAGNETGEN_MAIL_PROVIDER is not set" });
  if (!store.promises.codes && [...site.magnets.values()].some((magnet) => magnet.codes.length)) {
    note("not_set_up", { hint: `forms with single-use codes take nothing in: ${NO_CODES}` });
  }
  const open = parts.open ?? openDestination;
  const deliverer = new Deliverer({
    store,
    composer: new Composer(site, keys, sender, random, services.mails),
    clock,
    hooks: hooksOf(site, (destination) => open(destination, env, services), note),
    poster,
    mail: transport,
    note,
    breakers: parts.breakers,
    latest: parts.latest,
  });
  const verifier = verifierFromEnv(env, fetcher);
  const { drainSeconds = Infinity, drainMax = Infinity } = parts;
  const limits = { drainSeconds, drainMax: drainMaxOf(env, drainMax) };
  const proxies = proxiesOf(env);
  return new Runtime({ site, keys, store, deliverer, assets, clock, random, verifier, note, proxies, ...limits });
}

/** All that answers the core. `proxies`: how many of them are trusted. */
class Runtime {
  constructor(parts) {
    Object.assign(this, parts);
  }

  /** Run the core to its end → the response. `waitUntil`: keeps the platform alive for what nobody waits for. */
  async answer(request, waitUntil = null) {
    const ctx = this.context(request);
    try {
      const steps = handle(ctx);
      let step = steps.next();
      while (!step.done) {
        let given;
        try {
          given = await this.perform(step.value, waitUntil);
        } catch (error) {
          if (!(error instanceof StoreUnavailable)) throw error;
          this.note("store_unavailable", { request: request.id, reason: error.message });
          step = steps.throw(error);
          continue;
        }
        step = steps.next(given);
      }
      return this.logged(ctx, step.value);
    } catch (error) {
      return this.broken(ctx, error);
    }
  }

  /** A problem that the host finds before there is a whole request. */
  refusal(request, status, code) {
    const ctx = this.context(request);
    const headers = status === 503 ? [["retry-after", "60"]] : [];
    return this.logged(ctx, complete(ctx, problem(ctx, new Problem(status, code, [], headers))));
  }

  context(request) {
    return makeContext(this.site, this.keys, request, this.clock(), this.random);
  }

  async perform(step, waitUntil) {
    const { store } = this;
    const ms = Math.floor(this.clock() * 1000);
    switch (step.effect) {
      case "transact":
        return kept(store.submit(step.load, step.decide), waitUntil);
      case "note":
        return this.noted(step, waitUntil);
      case "rate":
        return store.rate(step.counts, ms);
      case "verify":
        return this.verifier.verify(step.challenge, step.answer, step.once);
      case "find_lead":
        return store.findLead(step.id);
      case "find_codes":
        return store.codes(step.leads);
      case "find_person":
        return store.person(step.email_key);
      case "list_leads":
        return store.leads(step.query);
      case "list_submissions":
        return store.submissions(step.query);
      case "list_outbox":
        return store.outbox(step.state, step.limit);
      case "retry":
        return store.retry(step.id, ms);
      case "drain":
        return this.drain();
      case "probe":
        return store.probe(ms);
      case "locate":
        return this.assets.size(step.asset);
      default:
        throw new Error("an effect of an unknown kind");
    }
  }

  /** The request does not wait for it, nor fail with it; without `waitUntil` it would never come to its end. */
  async noted(step, waitUntil) {
    const done = this.store.submit(step.load, step.decide).catch(() => null);
    if (waitUntil) waitUntil(done);
    else await done;
    return null;
  }

  /** Send what is due, and ask again about what nobody could judge; beside it, remove what has served its time. */
  async drain() {
    const ends = performance.now() + this.drainSeconds * 1000;
    const left = () => (ends - performance.now()) / 1000;
    const send = async () => {
      const done = await this.deliverer.drain(left(), this.drainMax);
      if (!(await this.review(left()))) return done;
      const more = await this.deliverer.drain(left(), this.drainMax - done.sent - done.failed);
      return { sent: done.sent + more.sent, failed: done.failed + more.failed };
    };
    // Beside each other: neither what cannot be removed nor how much it is keeps a mail waiting.
    const purge = this.store.purge(Math.floor(this.clock() * 1000));
    const ended = await Promise.allSettled([send(), purge]);
    for (const { reason } of ended) if (reason) throw reason;
    return ended[0].value;
  }

  /** Send what is due now, after a request. What goes wrong with it is for the next drain. */
  async deliver() {
    try {
      await this.deliverer.drain(this.drainSeconds, this.drainMax);
    } catch (error) {
      if (error instanceof StoreUnavailable) this.note("outbox_unavailable");
      else this.note("outbox_broken", { error: kindOf(error) });
    }
  }

  /** Ask again about submissions whose challenge nobody could judge → how many were released. */
  review(seconds = Infinity) {
    return review(this.store, this.verifier, () => this.context(emptyRequest()), seconds);
  }

  /** What a response's `file` stands for → bytes, or a stream of them. Throws StoreUnavailable. */
  async readAsset(file) {
    try {
      return await this.assets.read(this.site.assets.get(file.asset), file.start, file.length);
    } catch (error) {
      this.note("download_unavailable", { error: kindOf(error) });
      throw new StoreUnavailable("a file cannot be read");
    }
  }

  logged(ctx, response) {
    const { request, site } = ctx;
    // The route only: what follows it may be a token.
    const kind = withoutPrefix(request.path, site.prefix).split("/")[1];
    const route = ROUTES.includes(kind) ? kind : "other";
    const method = METHODS.includes(request.method) ? request.method : "other";
    this.note("request", { id: request.id, method, route, status: response.status, code: response.code || null });
    return response;
  }

  /** A fault of ours: where it was, never what it was about. */
  broken(ctx, error) {
    this.note("internal", { id: ctx.request.id, error: kindOf(error), place: placeOf(error) });
    return internal(ctx);
  }
}

/** What was begun is finished, also after its client has gone. */
function kept(promise, waitUntil) {
  if (waitUntil) waitUntil(promise.catch(() => null));
  return promise;
}

function emptyRequest() {
  const [headers, body] = [Object.create(null), new Uint8Array(0)];
  return { method: "POST", path: "", headers, body, query: "", client: "", id: "" };
}

function kindOf(error) {
  return error?.constructor?.name || "Error";
}

/** The innermost frame, as FILE:LINE. A message may hold anything, even what looks like a frame: it is left out. */
function placeOf(error) {
  const [stack, message] = [String(error?.stack ?? ""), String(error?.message ?? "")];
  const frames = stack.slice(Math.max(0, stack.indexOf(message)) + message.length);
  const found = /^ {4}at .*?([\w.-]+\.[cm]?js):([0-9]+):[0-9]+\)?$/m.exec(frames);
  return found ? `${found[1]}:${found[2]}` : "";
}

function checkSender(sender, transport) {
  if (transport && !sender) throw new SiteFault("MAGNETGEN_MAIL_FROM is not set: the address that mails come from");
  if (!sender) return;
  try {
    address(sender);
  } catch {
    throw new SiteFault("MAGNETGEN_MAIL_FROM is to be an address: Name <name@example.com>");
  }
}

function proxiesOf(env) {
  const text = env.MAGNETGEN_TRUSTED_PROXIES || "0";
  if (!/^[0-9]+$/.test(text) || Number(text) > 10) {
    throw new SiteFault("MAGNETGEN_TRUSTED_PROXIES is to be how many proxies stand before the handler: 0 to 10");
  }
  return Number(text);
}

/** MAGNETGEN_DRAIN_MAX: what a platform's plan allows; without it what the host thinks is safe. */
function drainMaxOf(env, most) {
  const text = env.MAGNETGEN_DRAIN_MAX || "";
  if (text && !/^[1-9][0-9]{0,5}$/.test(text)) {
    throw new SiteFault("MAGNETGEN_DRAIN_MAX is to be how many deliveries one run may begin: 1 to 999999");
  }
  return text ? Number(text) : most;
}

/** Destinations whose settings are there, by name; what is for the others waits. */
function hooksOf(site, open, note) {
  const hooks = new Map();
  for (const [name, destination] of site.destinations) {
    try {
      hooks.set(name, open(destination));
    } catch (error) {
      if (!(error instanceof Unset)) throw error;
      note("not_set_up", { hint: `what is for the destination ${name} waits in the outbox: ${error.message}` });
    }
  }
  return hooks;
}
