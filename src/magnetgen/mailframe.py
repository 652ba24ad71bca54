"""The looks of a mail: one narrow column, styles where mail programs read them, nothing loaded from elsewhere.

Many mail programs drop `<style>`, so the light looks stand in the tags themselves; the dark ones need a media query
and are an addition.
"""

from __future__ import annotations

import re
from html import escape

from msgspec import Struct

from magnetgen.colors import DARK_PAGE, inks, on

WIDTH = 600
"""Pixels of the column; a picture is at most PICTURE_WIDTH wide."""
PICTURE_WIDTH = 536

_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace"
_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)((?:\s[^<>]*)?)>")
_BUTTON = re.compile(r'<p class="actions"><a (href="[^"]*"(?: title="[^"]*")?) class="button">')
_ONLY_PARAGRAPHS = re.compile(r"\s*(?:<p>(?:(?!<p[ >]).)*</p>\s*)+", re.S)
RIGHT_TO_LEFT = ("ar", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi")

_STYLES = {
    "h1": "margin:0 0 16px;font-size:24px;line-height:1.25;font-weight:700",
    "h2": "margin:32px 0 12px;font-size:20px;line-height:1.3;font-weight:700",
    "h3": "margin:24px 0 8px;font-size:17px;line-height:1.4;font-weight:700",
    "h4": "margin:24px 0 8px;font-size:16px;line-height:1.4;font-weight:700",
    "p": "margin:0 0 16px",
    "ul": "margin:0 0 16px;padding-left:24px",
    "ol": "margin:0 0 16px;padding-left:24px",
    "li": "margin:0 0 6px",
    "blockquote": "margin:0 0 16px;padding:0 0 0 16px;border-left:3px solid #cdd3d8",
    "pre": f"margin:0 0 16px;padding:12px;background:#eef0f2;border-radius:6px;{_MONO};font-size:14px;"
    "white-space:pre-wrap;overflow-wrap:anywhere",
    "hr": "margin:24px 0;border:0;border-top:1px solid #d9dee2",
    "table": "margin:0 0 16px;border-collapse:collapse;font-size:15px",
    "th": "padding:6px 12px 6px 0;border-bottom:2px solid #cdd3d8;text-align:left;vertical-align:top",
    "td": "padding:6px 12px 6px 0;border-bottom:1px solid #d9dee2;vertical-align:top",
    "img": "vertical-align:middle;max-width:100%;height:auto;border:0",
}
_INNER_LIST = "margin:6px 0 0;padding-left:24px"
_SMALL = '<p class="mg-small" style="margin:0 0 16px;font-size:14px;color:#545d64">'
_SMALL_LINK = '<a style="color:inherit" '
_CODE = f"{_MONO};font-size:0.9em;overflow-wrap:anywhere"


class Frame(Struct, frozen=True):
    """What all mails of a site have in common. `home`: absolute address; `brand`: a colour such as `#0b6e4f`."""

    lang: str
    home: str
    brand: str

    def page(self, title: str, body: str) -> str:
        """The whole HTML of a mail. `title`: HTML of its subject; `body`: styled HTML. Both may have holes."""
        direction = ' dir="rtl"' if self.lang.split("-")[0].lower() in RIGHT_TO_LEFT else ""
        return f"""<!doctype html>
<html lang="{escape(self.lang)}"{direction}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{title}</title>
<style>{self._dark()}</style>
</head>
<body class="mg-page" style="margin:0;padding:0;background:#f1f3f4">
<div class="mg-page" style="padding:24px 12px;background:#f1f3f4;color:#1d2327;{_FONT};font-size:16px;line-height:1.6">
<div class="mg-card" style="max-width:{PICTURE_WIDTH}px;margin:0 auto;padding:28px 24px 12px;background:#ffffff;border-top:4px solid {self.brand};border-radius:6px;overflow-wrap:break-word">
{body.strip()}
</div>
<p class="mg-foot" style="max-width:{WIDTH - 16}px;margin:16px auto 0;text-align:center;font-size:14px;color:#545d64"><a href="{escape(self.home)}" style="color:inherit">{{{{site_title}}}}</a></p>
</div>
</body>
</html>
"""

    def styled(self, markup: str) -> str:
        """A text's HTML with the light looks in its tags; what has a style of its own keeps it.

        If nothing but paragraphs stands behind the last rule, they are small print.
        """
        ink, _ = inks(self.brand)
        text, rule, rest = markup.rpartition("<hr>")
        if rule and _ONLY_PARAGRAPHS.fullmatch(rest):
            markup = text + rule + rest.replace("<p>", _SMALL).replace("<a ", _SMALL_LINK)
        button = (
            f"display:inline-block;padding:12px 24px;border-radius:6px;background:{self.brand};color:{on(self.brand)};"
            "font-weight:600;text-decoration:none"
        )
        markup = _BUTTON.sub(
            rf'<p style="margin:24px 0"><a \1 class="mg-button" style="{button}">',
            markup,
        )

        inside = {"pre": 0, "ul": 0, "ol": 0}

        def style(match: re.Match[str]) -> str:
            tag, attrs = match[2], match[3]
            if tag in inside:
                inside[tag] += -1 if match[1] else 1
            if match[1]:
                return match[0]
            own = _STYLES.get(
                tag, f"color:{ink}" if tag == "a" else _CODE if tag == "code" and not inside["pre"] else ""
            )
            if " style=" in attrs or not own:
                return match[0]
            if tag in ("ul", "ol") and inside["ul"] + inside["ol"] > 1:
                own = _INNER_LIST
            aligned = re.search(r'class="align-(\w+)"', attrs)
            if aligned:
                own = re.sub(r"text-align:\w+;", "", own) + f";text-align:{aligned[1]}"
            if attrs == ' class="callout-title"':
                own += ";font-weight:700"
            return f'<{tag}{attrs} style="{own}">'

        return _TAG.sub(style, markup)

    def _dark(self) -> str:
        _, ink = inks(self.brand)
        return (
            "@media (prefers-color-scheme:dark){"
            ".mg-page{background:#0b0e10!important;color:#e6e9eb!important}"
            f".mg-card{{background:{DARK_PAGE}!important;border-color:{ink}!important}}"
            f".mg-page a{{color:{ink}!important}}"
            f".mg-page a.mg-button{{background:{ink}!important;color:{DARK_PAGE}!important}}"
            ".mg-page pre{background:#22292e!important}"
            ".mg-page blockquote,.mg-page hr,.mg-page th,.mg-page td{border-color:#3a434a!important}"
            ".mg-page .mg-foot,.mg-page .mg-foot a,.mg-page .mg-small,.mg-page .mg-small a{color:#a3adb5!important}"
            "}"
        )
