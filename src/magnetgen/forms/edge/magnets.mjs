/** What forms give: files, codes, addresses (`magnets` of forms.json). Pure. */

/** What is given where the entry says nothing of it. `valid_for`: seconds that a link lives; 0: as they all do. */
const MAGNET = Object.freeze({ kind: "", title: "", valid_for: 0, url: "", label: "", code: "" });

/**
 * A magnet from its entry. `assets`: names of files, the first is what its link gives; `codes`: single-use ones, in
 * the order in which they are handed out; `holes`: what its mail is filled with besides.
 */
export function madeMagnet(name, entry) {
  const given = Object.keys(MAGNET).filter((key) => entry[key] && Object.hasOwn(entry, key));
  return Object.freeze({
    ...MAGNET,
    ...Object.fromEntries(given.map((key) => [key, entry[key]])),
    name,
    assets: Object.freeze([...(entry.assets ?? [])]),
    codes: Object.freeze([...(entry.codes ?? [])]),
    holes: Object.freeze({ ...(entry.holes ?? {}) }),
  });
}

/** A magnet by its name, or null. A file that is listed as an asset alone is one, too. */
export function magnetOf(site, name) {
  if (!name) return null;
  return site.magnets.get(name) ?? (site.assets.has(name) ? madeMagnet(name, { assets: [name] }) : null);
}

/** The asset that an address asks for, or null. `format`: empty for what the magnet gives first. */
export function assetOf(site, magnet, format) {
  const id = format ? `${magnet.name}.${format}` : magnet.assets[0];
  return (magnet.assets.includes(id) && site.assets.get(id)) || null;
}

/** What a lead of a form is to get one of: {magnet, codes, lead}; null where its magnet has no single-use codes. */
export function claimOf(site, form, lead) {
  const magnet = magnetOf(site, form.spec.magnet);
  return magnet?.codes.length ? { magnet: magnet.name, codes: magnet.codes, lead } : null;
}

/** Leads of forms whose magnet has single-use codes. */
export function claimants(site, leads) {
  return leads.filter((lead) => magnetOf(site, site.forms.get(lead.form)?.spec.magnet)?.codes.length);
}

/** The code that a lead has of its form's magnet, or empty. `found`: codes that leads have, {lead, magnet, code}. */
export function codeOf(site, lead, found) {
  const magnet = site.forms.get(lead.form)?.spec.magnet;
  return found.find((one) => one.lead === lead.id && one.magnet === magnet)?.code ?? "";
}
