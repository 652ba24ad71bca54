/** What the core asks the world for. Each is yielded, and its answer sent back in. */

/** Count one more in each window → the counts, number[]. */
export const rate = (counts) => ({ effect: "rate", counts });

/** Ask the challenge's verifier → "pass", "fail" or "down". `once`: the same where the same is asked again. */
export const verify = (challenge, answer, once) => ({ effect: "verify", challenge, answer, once });

/** Run a decision in one transaction → its answer, once it is durable. */
export const transact = (load, decide) => ({ effect: "transact", load, decide });

/** The same, but the request does not wait for it, nor fail with it → null. */
export const note = (load, decide) => ({ effect: "note", load, decide });

/** → Lead or null. */
export const findLead = (id) => ({ effect: "find_lead", id });

/** Single-use codes that leads have → [{lead, magnet, code}]. */
export const findCodes = (leads) => ({ effect: "find_codes", leads });

/** → what is known of an address, as plain data. */
export const findPerson = (emailKey) => ({ effect: "find_person", email_key: emailKey });

/** → Lead[]. */
export const listLeads = (query) => ({ effect: "list_leads", query });

/** → Submission[]. */
export const listSubmissions = (query) => ({ effect: "list_submissions", query });

/** The newest of a state, or of all → Delivery[]. */
export const listOutbox = (state = "", limit = 100) => ({ effect: "list_outbox", state, limit });

/** A delivery is due again → whether there is one. */
export const retry = (id) => ({ effect: "retry", id });

/** Send what is due → { sent, failed }. */
export const drain = () => ({ effect: "drain" });

/** Write something in the store and read it back → null, or StoreUnavailable. */
export const probe = () => ({ effect: "probe" });

/** Where an asset is → number (its size, lying beside the handler), string (an address that lives 300 s), or null. */
export const locate = (asset) => ({ effect: "locate", asset });
