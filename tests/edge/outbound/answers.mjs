/** Questions as JSON on stdin, [[name, …what it is given], …] → what the modules make of each, as JSON on stdout. */

import { text } from "node:stream/consumers";

import { address, shown, specOf } from "../../../src/magnetgen/forms/edge/addresses.mjs";
import { holes, openDestination } from "../../../src/magnetgen/forms/edge/destinations.mjs";
import { clientAddress, unquote } from "../../../src/magnetgen/forms/edge/fetch.mjs";
import { Composer, Refused, refused, shownMail } from "../../../src/magnetgen/forms/edge/mail.mjs";
import { openMail } from "../../../src/magnetgen/forms/edge/mail-api.mjs";
import * as recipes from "../../../src/magnetgen/forms/edge/recipes.mjs";
import { siteFromData } from "../../../src/magnetgen/forms/edge/site.mjs";
import { parseKeys } from "../../../src/magnetgen/forms/edge/tokens.mjs";
import { bodyOf, headers, judge, openHook } from "../../../src/magnetgen/forms/edge/webhooks.mjs";
import { services } from "../hosts/parts.mjs";

const { Absent, fill, fits, make, NoValue, says, take, Unreadable } = recipes;
const known = await services();

/** Keeps what it would have sent, and answers what it is told to. */
class Keeper {
  constructor(answers) {
    this.answers = [...answers];
    this.sent = [];
  }

  async post(url, given, body, method = "POST") {
    this.sent.push([method, url, given, Buffer.from(body).toString()]);
    const [status, said] = this.answers.shift() ?? [200, ""];
    return { ...judge(status), body: said };
  }
}

const QUESTIONS = {
  address: (given) => {
    const found = address(given);
    return [found.name, specOf(found), shown(found)];
  },
  client: clientAddress,
  unquote,
  holes,
  fill,
  fits,
  says,
  take,
  judge: (status, retryAfter) => seen(judge(status, retryAfter)),
  refused: (code) => seen(refused(code)),
  make: (step, given) => {
    const call = make(step, given);
    return [call.method, call.url, call.headers, Buffer.from(call.body).toString()];
  },
  hook: (secret, delivery, now) => {
    const hook = openHook("crm", "https://x.co/", secret);
    return [headers(hook, delivery, now), bodyOf(delivery).toString()];
  },
  open: (destination, env) => typeof openDestination(destination, env, known).send,
  told: async (destination, env, delivery, lead, answers) => {
    const keeper = new Keeper(answers);
    const ready = openDestination(destination, env, known);
    const found = await ready.send(keeper, delivery, async () => lead, 1_780_000_000.9);
    return [keeper.sent, seen(found)];
  },
  mail: async (document, keys, sender, delivery, lead, now, env, answers) => {
    const site = siteFromData(document);
    const composer = new Composer(site, parseKeys(keys), sender, (n) => new Uint8Array(n), known.mails);
    const mail = composer.compose(delivery, lead, now);
    const keeper = new Keeper(answers);
    const found = await openMail(env, keeper, known).send(mail);
    return [shownMail(mail), keeper.sent, seen(found)];
  },
  openMail: (env) => typeof openMail(env, null, known),
};

/** A Sent without the answer's body. */
function seen({ ok, code, permanent, gone, retry_after, item }) {
  return { ok, code, permanent, gone, retry_after, item };
}

async function answer([name, ...given]) {
  try {
    return { value: await QUESTIONS[name](...given) };
  } catch (error) {
    const kind = [Absent, NoValue, Unreadable, Refused].find((each) => error instanceof each)?.name;
    return { fault: kind ?? error.constructor.name, says: error.message };
  }
}

const questions = JSON.parse(await text(process.stdin));
const found = [];
for (const question of questions) found.push(await answer(question));
process.stdout.write(JSON.stringify(found));
