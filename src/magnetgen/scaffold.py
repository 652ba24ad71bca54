"""`magnetgen new site`: a small site that builds at once, with a whole funnel in it. Its files: starter/."""

from __future__ import annotations

import json
from pathlib import Path

from magnetgen.media import card_from_text

STARTER = Path(__file__).parent / "starter"
_BRAND = "#1f5fbf"
_DEMO_SETTINGS = """\
handler:
  destinations:
    - {name: crm, kind: webhook, url_env: CRM_URL, secret_env: CRM_SECRET}
"""


class RefusedError(Exception):
    """The folder is not empty: nothing in it is touched."""


def new_site(folder: Path, title: str | None, base_url: str, demo: bool = False) -> list[Path]:
    """Write the files, and return them. `demo`: with a destination for leads, so that there is one to look at.

    Raises RefusedError where there is something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RefusedError(f"{folder} is not empty: choose another folder")
    name = title or folder.resolve().name.replace("-", " ").replace("_", " ").strip().title() or "My site"
    holes = {"{{title}}": json.dumps(name, ensure_ascii=False), "{{base_url}}": base_url}
    made = []
    for source in sorted(path for path in STARTER.rglob("*") if path.is_file()):
        target = folder / source.relative_to(STARTER)
        if target.name == "gitignore":  # under its real name it would hide files of this package
            target = target.with_name(".gitignore")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_filled(source, holes))
        made.append(target)
    if demo:
        with (folder / "magnetgen.yaml").open("a", encoding="utf-8") as settings:
            settings.write(_DEMO_SETTINGS)
    picture = folder / "media" / "first-offer.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(card_from_text("The first offer", name, _BRAND, "#ffffff"))
    return [*made, picture]


def _filled(source: Path, holes: dict[str, str]) -> bytes:
    text = source.read_text("utf-8")
    for hole, value in holes.items():
        text = text.replace(hole, value)
    return text.encode()
