/** What forms give, and who has which single-use code of it. Pure. */

import { magnetOf } from "./site.mjs";

/** The asset that a link gives, or that of another format, or null. */
export function assetOf(site, magnet, format = "") {
  const id = format ? `${magnet.name}.${format}` : magnet.assets[0];
  return (magnet.assets.includes(id) && site.assets.get(id)) || null;
}

/** What a lead of a form is to get one of: {magnet, codes, lead}; null where its magnet has no single-use codes. */
export function claimOf(site, form, lead) {
  const magnet = magnetOf(site, form);
  return magnet?.codes.length ? { magnet: magnet.name, codes: magnet.codes, lead } : null;
}

function hasCodes(site, form) {
  return Boolean(magnetOf(site, site.forms.get(form))?.codes.length);
}

/** Leads of forms whose magnet has single-use codes. */
export function claimants(site, leads) {
  return leads.filter((lead) => hasCodes(site, lead.form));
}

/** The code that a lead has of its form's magnet, or empty. `found`: codes that leads have, {lead, magnet, code}. */
export function codeOf(site, lead, found) {
  const magnet = site.forms.get(lead.form)?.spec.magnet;
  return found.find((one) => one.lead === lead.id && one.magnet === magnet)?.code ?? "";
}
