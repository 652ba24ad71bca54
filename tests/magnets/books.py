"""Books for the tests: one with everything that a text may have, and one whose writer tries everything else."""

from __future__ import annotations

import io
import random
import re
from pathlib import Path

from PIL import Image

from magnetgen import markdown
from magnetgen.magnets.book import Book, Chapter, Ending

RICH = """Words before the first heading, with a note[^1] and a link to [the table](#a-table).

## Über *leads* & `code`

A paragraph with a note[^1], another[^two], and [a link](<https://example.org/a b?c=d&e=f#g>). “Quoted” – and ~~struck~~.

> [!NOTE]
> A callout with [a link](mailto:ana@example.org?subject=A%20word).

> [!WARNING] Before *you* begin
>
> - one
> - two

### Steps

- [ ] open
- [x] done
  - [ ] nested

1. first
   1. inner
2. second

#### Deep

## 10 ways {#10-ways}

| Left | Right |
|:-|-:|
| a | 1 |
| b | [two](#steps) |

```python
print("a" < "b" && "c")
```

![A red square](media/red.png) ![A blue one](media/blue.jpg "With a title")

![A moving one](media/moving.gif) ![A drawing](media/drawing.svg) ![A light one](media/light.webp)

![A picture of another kind](media/old.bmp) ![From elsewhere](https://example.org/a.png) ![Missing](media/missing.png)

## A table

Back to [the steps](#steps), to [nowhere](#nowhere), to [the second chapter](#second).

[^1]: The first note, which refers to [another](#a-table).
[^two]: The second note.

    With a second paragraph.
"""

PYTHON = """A text of the other engine[^1].

Term
:   What it means.

Other term
:   What that means.

Leads[^1] again[^b].

[^1]: A note.
[^b]: Another.
"""

HOSTILE = r"""
<script>alert(1)</script><style>p { background: url(http://evil.example/a.png) }</style>
<form action="/x"><input name="a"><p>In a form</p></form>
<p onclick="alert(1)" style="background:url(http://evil.example/b)" id="ok ok" class="a  b" xml:foo="1" é="2" data-x="y">Kept words &nbsp;&copy;&#0;&#11;&notanentity; &</p>
<b><div>A block in bold <ul><li>with a list</li>text<p>and a paragraph</p></ul></div></b>
<a href="javascript:alert(1)">No link</a> <a href="https://exa mple/">Bad host</a> <a href="http://[::1">Bad</a>
<a href="https://example.org:99999999/">Port</a> <a href="https://example.org/%zz?[a]#b#c">Odd</a> <a href="relative/page.html">Relative</a>
<a href="https://example.org/ä?ö=ü#ß">Words</a> <a href="//example.org/">No scheme</a> <a href="file:///etc/passwd">A file</a>
<a href="https://example.org/"><h3>A heading in a link</h3><label><input type=checkbox></label><a href="#x">nested</a></a>
<svg onload="alert(1)"><title>A drawing's name</title><foreignObject><p>x</p></foreignObject></svg> <math><mi>x</mi></math>
<iframe src="https://video.example/1" title="A film"></iframe><iframe src="javascript:1"></iframe><video controls><source src="https://video.example/2.mp4"></video>
<img src="../../../../etc/passwd" alt="A way out"><img src="media/broken.png" alt="Broken"><img src="media/evil.svg"><img src="media/bomb.svg" alt="A bomb">
<img src="media/red.png"><img src="data:image/png;base64,AAAA" alt="Inline"><img alt="No source"><img src="media/lies.png" width="100%" height="0" alt="A <b> &quot;liar&quot;">
<details><summary>More <b>here</b></summary><p>Hidden</p></details><details>None</details>
<dl><dd>first</dd><dt>last</dt></dl><dl></dl><dl><div><dt>a</dt><dd>b</dd></div></dl>
<table><caption>One <p>x</p></caption><caption>Two</caption><thead><tr><th><h2>In a head</h2></th></tr></thead><tr></tr><tr><td colspan="0" rowspan="x" style="text-align:left">c</td></tr><tfoot><tr><td><table><tr><td>inner</td></tr></table></td></tr></tfoot></table><table></table>
<figure><figcaption>One</figcaption><p>Words</p><figcaption>Two</figcaption></figure><figcaption>Lost</figcaption>
<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp>字<rt>ji</rt></ruby><ruby><rt>x</rt></ruby><ruby>a</ruby>
<bdo>none</bdo><bdo dir="rtl">some</bdo><time datetime="whenever">then</time><font color=red>font</font><blink>blink</blink><my-own>mine</my-own>
<ol type="x" start="one"><li value="a">A</li><div>B</div></ol><ol reversed start="-3" type="i"><li>C</li></ol><menu><li>M</li></menu><li>stray</li>
<p id="twice">1</p><p id="twice">2</p><p id="1st">3</p><p id="ünï">4</p><p id="a:b">5</p><p lang="de" dir="RTL">6</p><p lang="no!" dir="up">7</p>
<template><p>t</p></template><noscript><p>No script</p></noscript><object data="a.swf"><p>o</p></object><select><option>s</option></select><textarea>t</textarea>
<!-- a -- comment --><?php echo 1 ?><![CDATA[ cdata ]]> ]]> <p>un<b>closed <i>tags</b> here</i>
<main><header><h1>Main</h1></header><section><nav>n</nav></section><address><h2>Adr</h2></address></main><center>c</center>
<label>A label <label>in one</label></label><label><p>block</p><input type=checkbox checked></label><button>Go</button><input type=checkbox><del><p>gone</p></del><p><ins><p>x</p></ins></p>
<h2></h2><h2 id="twice">Again</h2><h6>Six</h6><hr><p>a<wbr>b<br>c</p><q cite="javascript:1">q</q><pre>

 <b>pre</b> <div>d</div></pre><area href="x"><map name="m"><area></map><audio src="https://a.example/b.mp3"></audio><progress value=1></progress><hgroup><h3>hg</h3></hgroup>
"""

EVIL_SVG = """<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:inkscape="http://inkscape.org/" onload="alert(1)"
 viewBox="0 0 9 9" inkscape:version="1"><script>alert(1)</script><style>@import url(http://evil.example/a.css);</style><inkscape:view/>
<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><p>x</p></body></foreignObject><a xlink:href="javascript:alert(1)"><rect id="a" width="9" height="9"/></a>
<rect id="a" fill="url(http://evil.example/b)" style="fill: url(#ok)" width="1" height="1"/><image href="http://evil.example/c.png" width="1" height="1"/><use xlink:href="#a"/></svg>"""


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    channels = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, (width, height), random.Random(1).randbytes(width * height * channels))


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def media(root: Path) -> None:
    """Every kind of picture, below root/media."""
    folder = root / "media"
    folder.mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    red, frames = Image.new("RGB", (40, 30), "red"), [Image.new("RGB", (9, 9), c) for c in ("red", "blue")]
    files = {
        "red.png": saved(red, "PNG"),
        "blue.jpg": saved(Image.new("RGB", (40, 30), "blue"), "JPEG", exif=exif),
        "moving.gif": saved(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "light.webp": saved(red, "WEBP"),
        "old.bmp": saved(red, "BMP"),
        "lies.png": saved(red, "JPEG"),
        "print.jpg": saved(red.convert("CMYK"), "JPEG"),
        "clear.tiff": saved(Image.new("RGBA", (5, 5), (1, 2, 3, 0)), "TIFF"),
        "large.jpg": saved(Image.new("RGB", (3000, 100), "blue"), "JPEG"),
        "heavy.png": saved(noise(1000, 900), "PNG"),
        "broken.png": saved(noise(40, 40), "PNG")[:200],
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle r="4"/></svg>',
        "evil.svg": EVIL_SVG.encode(),
        "bomb.svg": b'<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><svg xmlns="http://www.w3.org/2000/svg">&b;</svg>',
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)


def chapter(id: str, title: str, body: str, engine: str = "pyromark") -> Chapter:
    return Chapter(id, title, markdown.fragment(body, markdown.engine(engine), id and f"{id}-").html)


def book(*chapters: Chapter, **changes: object) -> Book:
    values: dict[str, object] = {
        "name": "field-guide", "kind": "ebook", "title": "The field guide", "subtitle": "", "author": "Ana Ruiz",
        "publisher": "Lead Lab", "url": "https://example.com/", "language": "en", "date": "2026-05-01",
        "brand": "#0b6e4f", "ink": "#ffffff", "paper": "a5", "toc": True, "chapters": chapters,
    }  # fmt: skip
    return Book(**values | changes)  # type: ignore[arg-type]


def rich() -> Book:
    """A text without a title, whose headings are the chapters; one with a title; one of the other engine."""
    return book(
        chapter("", "", RICH),
        chapter("second", "The second & last", "Words, and [the steps](#steps).\n\n## Inside\n\n### More\n\nWords."),
        chapter("third", "Definitions", PYTHON, "python-markdown"),
        subtitle="How <leads> are made & kept",
        ending=Ending("What now?", "Come & see.", "Book a demo", "https://cal.example.com/demo?a=b&c=d"),
        words={"book_contents": "What is in it", "book_cover": "{title}, from outside"},
        description="All of it, in “one” book.",
    )


_TAGS = (
    "p b a div ul ol li dl dt dd table thead tbody tfoot tr td th caption figure figcaption h1 h2 h3 h6 details summary"
    " ruby rt rp rb label input img br ins del pre x-y span em hr blockquote section address sup time bdo q source picture"
    " option legend fieldset hgroup nav main header menu dialog code wbr map area noscript font center abbr dfn"
)
_WHOLE = "form svg math select object button audio video iframe"
_ATTRIBUTES = """id=a id=9 id='b c' class=footnotes class=footnote-ref href=#a href='https://x.y/ä ö' href=http://a.b:80/% href=https://a..b/
href=https://[v1.a]/ href=https://u:p@w@h/ href=https://a/|^`{} href=tel: href=https://x.y/\\a src=media/red.png src=https://v.x/1
type=checkbox checked title=t&quot;&lt; lang=de-x lang=xx dir=rtl colspan=2 rowspan=3 scope=row start=-1 value=3 type=i alt='' width=10
datetime=x cite=x role=x usemap=#m style=x"""


def random_chapters(seed: int, count: int) -> list[Chapter]:
    """Tags in any order, most of them never closed."""
    chance, tags, whole = random.Random(seed), _TAGS.split(), _WHOLE.split()
    attributes = re.findall(r"(?:[^\s']|'[^']*')+", _ATTRIBUTES)

    def bit() -> str:
        kind = chance.random()
        if kind < 0.04:
            return f"<{(tag := chance.choice(whole))} src='https://v.x/2'>x</{tag}>"
        if kind < 0.55:
            return f"<{' '.join([chance.choice(tags), *chance.sample(attributes, chance.choice((0, 0, 1, 2)))])}>"
        return (
            f"</{chance.choice(tags)}>" if kind < 0.8 else chance.choice(["text", " ", "&amp;", "&#1;", "<!-- x -->"])
        )

    return [
        Chapter(f"c{number}", chance.choice(("", "A title")), "".join(bit() for _ in range(chance.randint(5, 40))))
        for number in range(count)
    ]


def hostile() -> Book:
    return book(
        chapter("", "", "Words.\n"),
        Chapter("1 odd:id", "A title\x0b with <tags> & \ud800 marks", _html(HOSTILE)),
        Chapter("deep", "Deep", "<b><div>" * 3000 + "at the ground"),
        Chapter("lists", "Deep lists", "<ul><li>" * 3000 + "<table><tr><td>" * 3000 + "at the ground"),
        Chapter("deep", "The same id", "<p>Words.</p>"),
        Chapter("none", "", "  \n"),
        *random_chapters(1, 60),
        name='näme / with "marks"', title="A \x00 title <b>", author="", publisher="", language="ar",
        url="nonsense", date="some day", brand="red;}", ink="", toc=False,
        ending=Ending("", "", "Go", "javascript:alert(1)"),
    )  # fmt: skip


def _html(body: str) -> str:
    return markdown.fragment(body, markdown.engine("pyromark")).html
