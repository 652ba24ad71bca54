"""The site that every compared tool builds, as Pelican builds it."""

# mypy: ignore-errors

import re

SITENAME = "Bench Lab"
SITEURL = "https://bench.example.com"
SITE_DESCRIPTION = "Field notes on offers that people ask for, and on the forms that bring the answers."
TIMEZONE = "UTC"
DEFAULT_LANG = "en"
PATH = "content"
OUTPUT_PATH = "public"
ARTICLE_PATHS = ["posts"]
STATIC_PATHS = ["media"]
THEME = "theme"
THEME_STATIC_PATHS: list[str] = []
PLUGIN_PATHS = ["."]
PLUGINS = ["front_matter"]

# Pelican's own cache of parsed posts: off by default, on here for its builds over an old state.
CACHE_CONTENT = True
LOAD_CONTENT_CACHE = True
CHECK_MODIFIED_METHOD = "mtime"

MARKDOWN = {
    "extensions": ["markdown.extensions.extra", "markdown.extensions.smarty", "markdown.extensions.toc"],
    "output_format": "html5",
}

SLUGIFY_SOURCE = "basename"
ARTICLE_URL = "posts/{slug}/"
ARTICLE_SAVE_AS = "posts/{slug}/index.html"
TAG_URL = "tags/{slug}/"
TAG_SAVE_AS = "tags/{slug}/index.html"
CATEGORY_SAVE_AS = ""
AUTHOR_SAVE_AS = ""
DIRECT_TEMPLATES = ["home", "index", "404", "sitemap", "robots"]
HOME_SAVE_AS = "index.html"
INDEX_SAVE_AS = "posts/index.html"
SITEMAP_SAVE_AS = "sitemap.xml"
ROBOTS_SAVE_AS = "robots.txt"
PAGINATED_TEMPLATES = {"index": 20, "tag": 20}
PAGINATION_PATTERNS = (
    (1, "{base_name}/", "{base_name}/index.html"),
    (2, "{base_name}/page/{number}/", "{base_name}/page/{number}/index.html"),
)

FEED_ALL_ATOM = "feed.xml"
FEED_MAX_ITEMS = 20
CATEGORY_FEED_ATOM = TRANSLATION_FEED_ATOM = AUTHOR_FEED_ATOM = AUTHOR_FEED_RSS = None

_ELEMENT = re.compile(r"<[^>]*>")
_SPACE = re.compile(r"\s+")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&"))


def _plain(html):
    return _SPACE.sub(" ", _ELEMENT.sub("", html)).strip()


def _minutes(article):
    if not hasattr(article, "minutes"):
        article.minutes = max(1, -(-len(_plain(article.content).split(" ")) // 213))
    return article.minutes


def _describe(article):
    if not hasattr(article, "description"):
        text = _plain(article.content)
        for entity, character in _ENTITIES:
            text = text.replace(entity, character)
        article.description = text if len(text) <= 155 else text[: text.rindex(" ", 0, 155)] + " …"
    return article.description


JINJA_FILTERS = {"minutes": _minutes, "describe": _describe}
JINJA_ENVIRONMENT = {"trim_blocks": True, "lstrip_blocks": True, "extensions": []}
