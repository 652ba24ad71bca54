// The site that every compared tool builds, as Eleventy builds it: Markdown by markdown-it, templates in Nunjucks.
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const PER_PAGE = 20;
const COLLECTION_TAG = "post";

const visibleTags = (tags) => (tags ?? []).filter((tag) => tag !== COLLECTION_TAG);
const plain = (html) => (html ?? "").replace(/<[^>]*>/g, "").replace(/\s+/g, " ").trim();
const unescaped = (text) => text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&quot;/g, '"').replace(/&amp;/g, "&");
const pageCount = (posts) => Math.max(1, Math.ceil(posts.length / PER_PAGE));

function truncated(text, limit) {
  if (text.length <= limit) return text;
  return text.slice(0, text.lastIndexOf(" ", limit)) + " …";
}

// A post's text is asked for by its own page and by every list that shows it.
function remembered(compute) {
  const known = new Map();
  return (text) => {
    if (!known.has(text)) known.set(text, compute(text));
    return known.get(text);
  };
}

const minutes = remembered((html) => Math.max(1, Math.ceil(plain(html).split(" ").length / 213)));
const describe = remembered((html) => truncated(unescaped(plain(html)), 155));

// Eleventy's pagination has one level; pages of each tag's pages are made flat here.
function tagPages(api) {
  const byTag = new Map();
  for (const post of api.getFilteredByTag(COLLECTION_TAG).reverse()) {
    for (const tag of visibleTags(post.data.tags)) {
      if (!byTag.has(tag)) byTag.set(tag, []);
      byTag.get(tag).push(post);
    }
  }
  return [...byTag].flatMap(([tag, posts]) =>
    Array.from({ length: pageCount(posts) }, (_, index) => ({
      tag, number: index + 1, total: pageCount(posts), posts: posts.slice(index * PER_PAGE, (index + 1) * PER_PAGE),
    })));
}

export default function (config) {
  const following = new Map();
  config.setUseGitIgnore(false);
  config.addPassthroughCopy("media");
  config.amendLibrary("md", (md) => {
    md.set({ html: true, typographer: true });
    md.renderer.rules.heading_open = (tokens, index, options, env, self) => {
      const id = tokens[index + 1].content.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
      tokens[index].attrSet("id", id);
      return self.renderToken(tokens, index, options);
    };
  });
  config.addCollection("notes", (api) => {
    const notes = api.getFilteredByTag(COLLECTION_TAG).reverse();
    notes.forEach((note, index) => following.set(note.url, notes.slice(index + 1, index + 4)));
    return notes;
  });
  config.addCollection("tagPages", tagPages);
  config.addFilter("visibleTags", visibleTags);
  config.addFilter("following", (url) => following.get(url) ?? []);
  config.addFilter("minutes", minutes);
  config.addFilter("describe", describe);
  config.addFilter("isoDay", (date) => date.toISOString().slice(0, 10));
  config.addFilter("isoTime", (date) => date.toISOString().slice(0, 19) + "Z");
  config.addFilter("longDate", (date) => `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`);
  config.addFilter("json", (value) => JSON.stringify(value).replaceAll("<", "\\u003c"));
  config.addFilter("absolute", (html, base) => html.replace(/(src|href)="\//g, `$1="${base}`));
  return {
    dir: { input: "content", includes: "../_includes", data: "../_data", output: "public" },
    markdownTemplateEngine: false, // the posts hold no template language
    htmlTemplateEngine: "njk",
  };
}
