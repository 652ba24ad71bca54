(() => {
// A page within a page is part of what is looked at: no toolbar there.
const host = document.querySelector("magnetgen-preview");
const me = document.currentScript;
if (!host) return;
host.remove();
if (me) me.remove();
if (window !== window.top) return;

const own = JSON.parse(host.dataset.state);
const KEEP = "magnetgen-preview:keep";
const SMALL = "magnetgen-preview:small";
const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
const make = (name, values = {}, ...inner) => {
  const made = Object.assign(document.createElement(name), values);
  made.append(...inner);
  return made;
};
const stored = (change) => {
  // A browser may forbid storage: then nothing is kept.
  try { return change(sessionStorage); } catch { return null; }
};

// What is kept across a reload: where the reader was, and what was typed into forms.

const controls = () => [...document.querySelectorAll("input, textarea, select")].map((e, i) => {
  const form = e.form ? [...document.forms].indexOf(e.form) : -1;
  return [`${form}/${e.name || i}/${e.type === "radio" || e.type === "checkbox" ? e.value : ""}`, e];
}).filter(([, e]) => !["password", "hidden", "file", "submit", "button", "image", "reset"].includes(e.type));
const typed = (e) => e.type === "checkbox" || e.type === "radio" ? e.checked : e.tagName === "SELECT"
  ? [...e.options].filter((o) => o.selected).map((o) => o.value) : e.value;
const untouched = (e) => e.type === "checkbox" || e.type === "radio" ? e.defaultChecked : e.tagName === "SELECT"
  ? null : e.defaultValue;

const reload = () => {
  const found = controls();
  const fields = found.filter(([, e]) => typed(e) !== untouched(e)).map(([key, e]) => [key, typed(e)]);
  const focus = found.find(([, e]) => e === document.activeElement);
  const kept = { url: location.pathname + location.search, x: scrollX, y: scrollY, fields, focus: focus && focus[0] };
  stored((s) => s.setItem(KEEP, JSON.stringify(kept)));
  location.reload();
};

const restore = () => {
  const kept = JSON.parse(stored((s) => s.getItem(KEEP)) || "null");
  stored((s) => s.removeItem(KEEP));
  if (!kept || kept.url !== location.pathname + location.search) return;
  const there = new Map(controls());
  for (const [key, value] of kept.fields) {
    const e = there.get(key);
    if (!e) continue;
    if (typeof value === "boolean") e.checked = value;
    else if (Array.isArray(value)) for (const o of e.options || []) o.selected = value.includes(o.value);
    else e.value = value;
    e.dispatchEvent(new Event("input", { bubbles: true }));
  }
  const focused = kept.focus && there.get(kept.focus);
  if (focused) focused.focus({ preventScroll: true });
  const back = () => scrollTo({ left: kept.x, top: kept.y, behavior: "instant" });
  back();
  // Pictures without a size may move the text once more; a reader who has begun to scroll is left alone.
  let moved = false;
  for (const sign of ["wheel", "touchmove", "keydown", "pointerdown"]) {
    addEventListener(sign, () => { moved = true; }, { once: true, passive: true });
  }
  addEventListener("load", () => { if (!moved) back(); }, { once: true });
};

// Toolbar and overlay. Every text goes in as text, never as HTML.

const root = host.attachShadow({ mode: "open" });
const sheet = new CSSStyleSheet();
sheet.replaceSync("@css@");
root.adoptedStyleSheets = [sheet];
host.removeAttribute("data-state");
host.removeAttribute("hidden");
host.lang = "en";

const faultsButton = make("button", { type: "button", hidden: true, onclick: () => openOverlay() });
const mark = make("span", { className: "mark", hidden: !own.mark });
const links = make("span", { hidden: true });
links.style.cssText = "padding:0;gap:2px;flex-wrap:wrap";
const edit = make("a", { href: own.edit || "#", textContent: "Edit", hidden: !own.edit, title: own.source });
const lost = make("span", { role: "status" });
const hide = make("button", { type: "button", className: "hide", title: "Hide this toolbar" });
const dot = make("button", { type: "button", className: "dot", title: "Show the preview's toolbar" });
hide.setAttribute("aria-label", hide.title);
dot.setAttribute("aria-label", dot.title);
const bar = make("section", { className: "bar" }, dot, mark, faultsButton, links, edit, lost, hide);
bar.setAttribute("aria-label", "Preview");

const fold = (small) => {
  stored((s) => small ? s.setItem(SMALL, "1") : s.removeItem(SMALL));
  for (const e of [links, edit, hide]) e.hidden = small || (e === edit && !own.edit) || (e === links && !own.forms);
  dot.hidden = !small;
  mark.textContent = !own.mark ? "" : small ? markName() : markText();
};
const markName = () => own.mark === "draft" ? "Draft" : own.mark[0].toUpperCase() + own.mark.slice(1);
const markText = () => `${markName()}: a real build leaves this page out`;
hide.onclick = () => { fold(true); dot.focus(); };
dot.onclick = () => { fold(false); hide.focus(); };

const title = make("h2", { id: "title", tabIndex: -1 });
const under = make("p", { id: "under" });
const list = make("ul");
const more = make("p", { className: "more" });
const close = make("button", { type: "button", className: "close", textContent: "Close", onclick: () => overlay.close() });
const overlay = make("dialog", {}, make("div", { className: "head" }, title, close, under), list, more);
overlay.setAttribute("aria-labelledby", "title");
overlay.setAttribute("aria-describedby", "under");
const alarm = make("div", { role: "alert" });
alarm.style.cssText = "position:fixed;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)";
root.append(alarm, bar, overlay);
fold(Boolean(stored((s) => s.getItem(SMALL))));

const unindented = (lines) => {
  const common = Math.min(...lines.map((line) => line.search(/\S/)).filter((n) => n >= 0));
  return lines.map((line) => line.slice(common)).join("\n");
};

const item = (d) => {
  const text = d.line ? `${d.path}:${d.line}:${d.column}` : d.path;
  const place = d.link
    ? make("a", { className: "place", href: d.link, textContent: text, title: "Open in the editor" })
    : make("span", { className: "place", textContent: text });
  const made = make("li", { className: d.severity }, place, make("span", { className: "code", textContent: `${d.severity} ${d.code}` }),
    make("p", { className: "message", textContent: d.message }));
  if (d.excerpt.length) {
    const lines = make("pre", { textContent: unindented(d.excerpt), tabIndex: 0 });
    lines.setAttribute("role", "group");
    lines.setAttribute("aria-label", `Line ${d.line} of ${d.path}`);
    made.append(lines);
  }
  if (d.hint) made.append(make("p", { className: "hint", textContent: `Hint: ${d.hint}` }));
  return made;
};

const openOverlay = () => {
  if (overlay.open) return;
  overlay.showModal();
  title.focus();
};

const showFaults = (news, failed, built = true) => {
  const all = news.diagnostics;
  const errors = all.filter((d) => d.severity === "error").length;
  const total = all.length + news.more;
  const warnings = all.length - errors;
  const name = news.more ? plural(total, "fault") : [errors && plural(errors, "error"), warnings && plural(warnings, "warning")]
    .filter(Boolean).join(", ");
  title.textContent = name;
  under.textContent = !failed ? "The site is built all the same." : built
    ? "Nothing was written: the page behind this is the last good one. It comes up to date when this is mended."
    : "Nothing is built yet. The site comes here when this is mended.";
  list.replaceChildren(...all.map(item));
  more.textContent = news.more ? `And ${news.more} more: the terminal has them all.` : "";
  overlay.classList.toggle("mild", !failed);
  faultsButton.hidden = !total;
  faultsButton.className = failed ? "bad" : "warn";
  faultsButton.textContent = name;
  if (failed) {
    alarm.textContent = `The build failed: ${name}.`;
    openOverlay();
  } else {
    alarm.textContent = "";
    if (overlay.open) overlay.close();
  }
};

const showCounts = (counts) => {
  const row = [["leads", "Leads", "leads"], ["mail", "Mail", "mails"], ["deliveries", "Deliveries", "deliveries"]];
  links.replaceChildren(...row.map(([path, name, key]) => make("a", {
    href: `/_magnetgen/${path}`, textContent: key in counts ? `${name} (${counts[key]})` : name,
  })));
};
showCounts({});

// Whether this page has changed is seen by its digest; only its looks have, where the rest has the same shape.

let checking = false;
let again = null;
const check = async (changed) => {
  if (checking) { again = [...(again || []), ...(changed || [])]; return; }
  checking = true;
  try {
    const answer = await fetch(location.pathname + location.search, { cache: "no-store", redirect: "manual" });
    if (answer.type === "opaqueredirect") return reload();
    const digest = answer.headers.get("x-magnetgen-digest");
    const paths = new Set((changed || []).map((file) => new URL(own.prefix + encodeURI(file), location.origin).pathname));
    const sheets = [...document.querySelectorAll('link[rel~="stylesheet"]')].filter((l) => paths.delete(new URL(l.href).pathname));
    const used = performance.getEntriesByType("resource").some((e) => paths.has(new URL(e.name).pathname));
    if (used) return reload();
    if (digest !== own.digest) {
      if (answer.headers.get("x-magnetgen-shape") !== own.shape) return reload();
      if (!swap(new DOMParser().parseFromString(await answer.text(), "text/html"))) return reload();
      own.digest = digest;
    }
    sheets.forEach(fresh);
  } catch {
    // The server has gone: the stream comes back with it, and asks again.
  } finally {
    checking = false;
    if (again) { const missed = again; again = null; check(missed); }
  }
};

const swap = (page) => {
  const now = [...document.querySelectorAll("style")];
  const then = [...page.querySelectorAll("style")];
  if (now.length !== then.length) return false;
  now.forEach((e, i) => { if (e.textContent !== then[i].textContent) e.textContent = then[i].textContent; });
  return true;
};

// The new stylesheet is there before the old one goes: nothing flickers.
const fresh = (link) => {
  const next = link.cloneNode();
  const url = new URL(link.href);
  url.searchParams.set("magnetgen", Date.now());
  next.href = url;
  next.onload = next.onerror = () => link.remove();
  link.after(next);
};

// The stream. A tab that nobody sees lets go of it: a browser opens only six connections to one server.

let stream = null;
let timer = 0;
const on = (name, act) => stream.addEventListener(name, (event) => act(JSON.parse(event.data)));

const connect = () => {
  clearTimeout(timer);
  if (stream && stream.readyState !== EventSource.CLOSED) return;
  stream = new EventSource("/_magnetgen/events");
  stream.onopen = () => connected(true);
  stream.onerror = () => {
    connected(false);
    if (stream && stream.readyState === EventSource.CLOSED) timer = setTimeout(connect, 1000);
  };
  on("state", (news) => {
    connected(true);
    if (news.session !== own.session) return reload();
    showCounts(news.counts);
    showFaults(news, news.failed, news.built);
    if (news.build !== own.build) check(null);
    own.build = news.build;
    own.built = news.built;
  });
  on("fault", (news) => { own.build = news.build; showFaults(news, true, own.built); });
  on("fixed", () => { alarm.textContent = ""; overlay.close(); });
  on("reload", (news) => {
    own.build = news.build;
    own.built = true;
    showFaults(news, false);
    check(news.changed);
  });
  on("counts", showCounts);
};
const disconnect = () => {
  clearTimeout(timer);
  if (stream) stream.close();
  stream = null;
};
const connected = (yes) => {
  bar.classList.toggle("gone", !yes);
  lost.textContent = yes ? "" : "The preview has stopped";
  lost.hidden = yes;
};
lost.hidden = true;

const seen = () => {
  if (!document.hidden) connect();
  else { clearTimeout(timer); timer = setTimeout(() => { if (document.hidden) disconnect(); }, 10000); }
};
document.addEventListener("visibilitychange", seen);
addEventListener("pagehide", disconnect);
addEventListener("pageshow", (event) => { if (event.persisted) seen(); });

// Beside the body, so that no rule of the site about the body's last child is changed.
document.documentElement.append(host);
restore();
if (!document.hidden) connect();
})();
