/** What each kind of mail can be filled with: the list of holes.py. Pure. */

const HOLE = /\{\{\s*([a-z][a-z0-9_]*)\s*\}\}/g;

/** Kind of mail → its holes, beside fields. */
export const HOLES = Object.freeze({
  confirm: ["site_title", "form_title", "magnet_title", "confirm_url"],
  deliver: [
    "site_title", "form_title", "magnet_title", "download_url", "epub_url", "code", "join_url", "event_time",
    "google_url", "outlook_url", "unsubscribe_url",
  ],
  soldout: ["site_title", "form_title", "magnet_title", "unsubscribe_url"],
  welcome: ["site_title", "form_title", "unsubscribe_url"],
  notify: ["site_title", "form_title", "magnet_title", "email", "answers", "lead_id"],
  held: ["site_title", "form_title", "reason", "submission_id"],
});

/** Kinds that have the form's fields, too, once the lead has confirmed: before that, a stranger may have typed them. */
export const WITH_FIELDS = Object.freeze(["deliver", "soldout", "welcome"]);

/** Holes that a form's field of the same name fills where there is no value: a form may have had one before magnets did. */
export const YIELDING = Object.freeze([
  "magnet_title", "epub_url", "code", "join_url", "event_time", "google_url", "outlook_url",
]);

/** Every `{{name}}` replaced in one pass; a hole without a value is empty. `holes`: a Map of texts. */
export function fill(text, holes) {
  return text.replace(HOLE, (_, name) => holes.get(name) ?? "");
}
