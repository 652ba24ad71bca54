"""Colours that can be read: contrast by WCAG 2.2, from the relative luminance of sRGB."""

from __future__ import annotations

from functools import cache

DARK_PAGE = "#14181b"
MIN_CONTRAST = 4.5


def palette(brand: str) -> str:
    """Custom properties from one brand colour, each readable where it is used."""
    on_brand = on(brand)
    ink, ink_dark = inks(brand)
    return f":root{{--brand:{brand};--on-brand:{on_brand};--brand-ink:{ink};--brand-ink-dark:{ink_dark}}}"


@cache
def inks(brand: str) -> tuple[str, str]:
    """The brand colour as text on a light and on a dark page: as near to it as can be read."""
    return _until(brand, "#ffffff", "#000000"), _until(brand, DARK_PAGE, "#ffffff")


def on(color: str) -> str:
    """The text colour that is read best on a fill: white, the theme's ink, or black where neither will do."""
    best = max(("#ffffff", DARK_PAGE), key=lambda text: contrast(color, text))
    return best if contrast(color, best) >= MIN_CONTRAST else max((best, "#000000"), key=lambda t: contrast(color, t))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _until(color: str, background: str, toward: str) -> str:
    """The colour, mixed with another just as far as it takes to be read on the background."""
    for step in range(21):
        mixed = _mix(color, toward, step / 20)
        if contrast(mixed, background) >= MIN_CONTRAST:
            return mixed
    return toward


def _rgb(color: str) -> tuple[int, int, int]:
    digits = color.lstrip("#")
    digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def _mix(one: str, other: str, share: float) -> str:
    mixed = (round(a + (b - a) * share) for a, b in zip(_rgb(one), _rgb(other), strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def _luminance(color: str) -> float:
    def linear(value: int) -> float:
        part = value / 255
        return float(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)

    red, green, blue = (linear(value) for value in _rgb(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
