/** Mails by the HTTP API of a provider, as its recipe describes it. There is no other way here: no SMTP. */

import { shown, specOf } from "./addresses.mjs";
import { run } from "./destinations.mjs";
import * as recipes from "./recipes.mjs";
import { SiteFault } from "./site.mjs";
import * as webhooks from "./webhooks.mjs";

/** The transport that the environment names → {send(mail)}; null where it names none. Throws SiteFault. */
export function openMail(env, poster, services) {
  const { MAGNETGEN_SMTP_URL: smtp, MAGNETGEN_MAIL_PROVIDER: provider } = env;
  const known = Object.keys(services.mail).sort().join(", ");
  if (smtp && provider) {
    throw new SiteFault(
      "MAGNETGEN_SMTP_URL and MAGNETGEN_MAIL_PROVIDER are both set: mails leave in one way, so unset one of them",
    );
  }
  if (smtp) {
    throw new SiteFault(
      "MAGNETGEN_SMTP_URL is set, and this handler cannot speak SMTP: unset it, and set MAGNETGEN_MAIL_PROVIDER " +
        `(one of ${known}) and MAGNETGEN_MAIL_KEY`,
    );
  }
  if (provider) return openProvider(provider, env, poster, services, known);
  if (env.MAGNETGEN_MAIL_KEY) {
    throw new SiteFault(`MAGNETGEN_MAIL_KEY is set and MAGNETGEN_MAIL_PROVIDER is not: it is one of ${known}`);
  }
  return null;
}

function openProvider(provider, env, poster, services, known) {
  if (!Object.hasOwn(services.mail, provider)) throw new SiteFault(`MAGNETGEN_MAIL_PROVIDER is to be one of ${known}`);
  const [recipe, key] = [services.mail[provider], env.MAGNETGEN_MAIL_KEY ?? ""];
  const setting = recipe.settings.key;
  if (!recipes.fits("key", setting, key)) {
    throw new SiteFault(`MAGNETGEN_MAIL_KEY is to be ${setting.what} of ${provider}`);
  }
  const settings = { key };
  const url = env.MAGNETGEN_MAIL_URL;
  if (url) settings.url = webhooks.address("MAGNETGEN_MAIL_URL", url);
  return new MailApi(recipe, { ...settings, url: recipes.baseOf(recipe, settings) }, poster);
}

/** A provider and its settings. */
class MailApi {
  constructor(recipe, settings, poster) {
    Object.assign(this, { recipe, settings, poster });
  }

  async send(mail) {
    const answer = await run(this.recipe.send, { ...holes(this.recipe, mail), ...this.settings }, this.poster);
    // A provider that is gone is a setting of ours to be mended: mails wait for it.
    return answer.gone ? { ...answer, gone: false, permanent: false } : answer;
  }
}

/** What the holes of a mail's recipe may be filled with: see mail_api.py. */
export function holes(recipe, mail) {
  const { id, from, to, replyTo, subject, text, html } = mail;
  const taken = recipe.headers.filter((name) => mail.headers.get(name));
  const headers = Object.fromEntries(taken.map((name) => [name, mail.headers.get(name)]));
  Object.assign(headers, recipes.fill(recipe.add, { id }) ?? {});
  return {
    id,
    from: shown(from),
    from_name: from.name,
    from_email: specOf(from),
    to: specOf(to),
    reply_to: replyTo ? specOf(replyTo) : "",
    subject,
    text,
    html,
    headers,
    header_pairs: Object.entries(headers).map(([Name, Value]) => ({ Name, Value })),
  };
}
