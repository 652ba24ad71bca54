/** Destinations other than webhooks: services that a recipe describes, told of leads as the recipes' format has it. */

import { createHash } from "node:crypto";

import { sent } from "./mail.mjs";
import * as recipes from "./recipes.mjs";
import { SiteFault } from "./site.mjs";
import { cut, partition, strip, utf8 } from "./text.mjs";
import * as webhooks from "./webhooks.mjs";

/** Characters of one answer, and of all, in a message to people. */
const [ANSWER_MAX, ANSWERS_MAX] = [500, 3000];
const SPACES = /[\t\n\f\r ]+/g;
const OWN = ["company", "job_title", "phone", "website", "country", "message"];

/** A destination that cannot be told anything yet. The text says what is missing. */
export class Unset extends Error {}

/** A destination with its settings from the environment. Throws Unset, and SiteFault for a value of a wrong form. */
export function openDestination(destination, env, services) {
  const { kind, name } = destination;
  if (!Object.hasOwn(services.destinations, kind)) {
    throw new Unset(`this magnetgen knows no destinations of the kind ${kind}`);
  }
  const recipe = services.destinations[kind];
  const asked = Object.entries(recipe.settings);
  const variable = (setting) => destination[`${setting}_env`] ?? "";
  const settings = Object.fromEntries(
    asked.map(([setting]) => [setting, env[variable(setting)]]).filter(([, value]) => value),
  );
  const missing = asked
    .filter(([setting, { required }]) => required && !Object.hasOwn(settings, setting))
    .map(([setting]) => variable(setting) || `${setting}_env in magnetgen.yaml`);
  if (missing.length) throw new Unset(`${missing.join(" and ")} ${missing.length === 1 ? "is" : "are"} not set`);
  if (kind === "webhook") return webhooks.openHook(name, settings.url, settings.secret ?? "");
  for (const [setting, value] of Object.entries(settings)) {
    check(name, setting, variable(setting), recipe.settings[setting], value);
  }
  return new Service(recipe, { ...settings, url: recipes.baseOf(recipe, settings) });
}

function check(destination, name, variable, setting, value) {
  if (name === "url") webhooks.address(`${variable}, for the destination ${destination},`, value);
  else if (!recipes.fits(name, setting, value)) {
    throw new SiteFault(`${variable}, for the destination ${destination}, is to be ${setting.what}`);
  }
}

/** A service and its settings. */
class Service {
  constructor(recipe, settings) {
    this.recipe = recipe;
    this.settings = settings;
  }

  async send(poster, delivery, findLead) {
    const { events, steps } = this.recipe;
    const event = Object.hasOwn(events, delivery.kind) ? events[delivery.kind] : null;
    const { data } = delivery.body;
    const reason = event ? await reasonAgainst(event, data, delivery, findLead) : "skipped";
    if (reason) return sent(true, reason, { item: true });
    return run(steps[event.do], { ...holes(data), ...this.settings }, poster);
  }
}

/** Why a service is not told; empty: it is. */
async function reasonAgainst(event, data, delivery, findLead) {
  if (event.status) {
    // A delivery may be old: who has ended or come back since is not to be put back where they were.
    const lead = await findLead(delivery.lead);
    if (data.status !== event.status || (lead && lead.status !== event.status)) return "skipped";
  }
  const asked = event.consent ? data.consent : [];
  return asked.length && !asked.some((record) => record.given) ? "no_consent" : "";
}

/** The requests of a recipe, until one of them ends it. */
export async function run(steps, given, poster) {
  const [known, signal] = [{ ...given }, webhooks.within(webhooks.TIMEOUT)];
  try {
    for (const [at, step] of steps.entries()) {
      const call = recipes.make(step, known);
      const answer = await poster.post(call.url, call.headers, call.body, call.method, signal);
      if (at === steps.length - 1 || !listed(step.next, answer)) return verdict(step, answer);
      Object.assign(known, recipes.take(step.take ?? {}, answer.body));
    }
  } catch (error) {
    if (error instanceof recipes.NoValue) return sent(false, "no_value", { permanent: true, item: true });
    if (error instanceof recipes.Absent) return sent(true, "absent");
    if (error instanceof recipes.Unreadable) return sent(false, "unreadable");
    throw error;
  }
  throw new Error("a recipe without steps");
}

/** What an answer means for the delivery. */
export function verdict(step, answer) {
  if (listed(step.done, answer)) return sent(true, answer.code);
  if (listed(step.retry, answer)) return sent(false, answer.code, { retry_after: answer.retry_after });
  if (listed(step.permanent ?? recipes.PERMANENT, answer)) {
    return sent(false, answer.code, { permanent: true, item: true });
  }
  return { ...answer, item: false };
}

function listed(rules, answer) {
  return /^[0-9]+$/.test(answer.code) && recipes.says(rules ?? [], Number(answer.code), answer.body);
}

/** What the holes of a recipe may be filled with, of the event's `data` ({id} alone after an erasure). */
export function holes(data) {
  const answered = Object.entries(data.fields ?? {}).filter(([name]) => name !== "email");
  const fields = new Map(answered.map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value]));
  const field = (name) => fields.get(name) ?? "";
  const [begin, , end] = partition(strip(field("name").replace(SPACES, " ")), " ");
  const [first, last] = [field("first_name") || begin, field("last_name") || end];
  const name = field("name") || strip(`${first} ${last}`);
  const email = data.email ?? "";
  const lines = [...fields].filter(([, value]) => value);
  const shown = lines.map(([key, value]) => `${key}: ${cut(value.replace(SPACES, " "), ANSWER_MAX)}`);
  const given = (data.consent ?? []).filter((record) => record.given);
  return {
    ...Object.fromEntries(["id", "form", "email", "status"].map((key) => [key, data[key] ?? ""])),
    ...Object.fromEntries(OWN.map((key) => [key, field(key)])),
    email_md5: email ? createHash("md5").update(utf8(email.toLowerCase())).digest("hex") : "",
    first_name: first,
    last_name: last,
    name,
    name_or_email: name || email,
    fields: Object.fromEntries(answered),
    consents: given.map((record) => record.name).join(", "),
    answers: cut(shown.join("\n"), ANSWERS_MAX),
  };
}
