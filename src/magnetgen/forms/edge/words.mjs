/** What the handler says by itself: problems, faults, and pages of a site whose build made none. As in http.py. */

export const TITLES = Object.freeze({
  malformed: "This request could not be read.",
  unauthorized: "A valid token is needed.",
  origin_denied: "Requests from this site are not accepted.",
  unknown_form: "There is no such form.",
  not_found: "There is nothing here.",
  invalid_token: "This link is not valid.",
  method: "This method is not allowed here.",
  timeout: "The request took too long to arrive.",
  size: "That is more than can be taken.",
  type: "This kind of content is not accepted.",
  token_expired: "This link has expired.",
  token_superseded: "This link is no longer valid.",
  range: "There is no such part of the file.",
  validation: "Please check what you entered.",
  duplicate_field: "A field was sent more than once.",
  challenge_failed: "The check that you are a person failed. Please try again.",
  idempotency_reused: "This was sent before with other content. Please send the form again.",
  rate_limited: "Too many requests. Please wait a moment and try again.",
  internal: "Something went wrong here. Please try again later.",
  store_unavailable: "This cannot be saved at the moment. Please try again in a moment.",
});

export const MESSAGES = Object.freeze({
  required: "Please fill in this field.",
  email: "Please enter an email address such as ana@example.com.",
  email_domain: "Please write the part after the @ in its ASCII form (xn--…).",
  pattern: "Please check the format of this field.",
  option: "Please choose one of the given options.",
  too_long: "Please shorten this text.",
  characters: "This contains characters that are not allowed.",
  duplicate_field: "Please answer this only once.",
});

export const PLAIN = Object.freeze({
  problem: "<h1>Please check what you entered</h1>{{errors}}<p><a href='{{back}}'>Back to the form</a></p>",
  trouble: "<h1>This did not work</h1>{{errors}}<p><a href='{{back}}'>Go to the home page</a></p>",
  confirm: "<h1>Confirm your address</h1><form method=post><button>{{button}}</button></form>",
  unsubscribe: "<h1>Unsubscribe</h1><form method=post><button>{{button}}</button></form>",
  unsubscribed: "<h1>You are unsubscribed</h1>",
  expired: "<h1>This link has expired</h1><form method=post><button>{{button}}</button></form>",
  code: "<h1>Your code</h1><p><code>{{code}}</code></p>{{link}}",
  soldout:
    "<h1>No code for you at the moment</h1><p>More may be added: if one is free when you ask again, a mail brings it." +
    "</p><form method=post><button>{{button}}</button></form>",
});

export const FRAME =
  "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>" +
  "<title>{title}</title>";

export const BUTTONS = Object.freeze({
  confirm: "Confirm",
  confirm_download: "Confirm and download",
  unsubscribe: "Unsubscribe",
  expired: "Send me a fresh link",
  soldout: "Ask again",
  link: "Continue",
});
