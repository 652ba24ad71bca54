"""Tokens in links (`mg1.kid.payload.mac`), the keys behind them, and the keyed hash of an address.

Keys: HKDF-SHA256 (RFC 5869) of a master secret, salted with its name and bound to one purpose. A token names its key,
so that two live beside each other while secrets are changed; the first of them signs.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from magnetgen.forms.site import SiteFault

CONFIRM, DOWNLOAD, UNSUBSCRIBE = "confirm", "download", "unsubscribe"
LIFETIMES = {CONFIRM: 7 * 86400, DOWNLOAD: 72 * 3600, UNSUBSCRIBE: 0}
"""Seconds; 0: for ever."""
TOKEN_MAX = 1024
SKEW = 60
"""Seconds that two clocks may differ."""
ADMIN_MIN = 43
"""Characters of base64url in 256 bits."""

_TOKEN = re.compile(r"mg1\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})")
_KID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){32,64}")
_ID = re.compile(r"[0-9a-f]{32}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{22}")
_FORM = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_HOW = "`magnetgen secrets` makes all that is needed"


class InvalidToken(Exception):
    """Malformed, forged, of another purpose, or of the future: nobody is told which."""


@dataclass(frozen=True)
class Token:
    """What a token says. Times are seconds since the epoch; `expires` 0: never; `lead`: an id, never an address."""

    purpose: str
    form: str
    lead: str
    issued: int
    expires: int
    asset: str = ""

    def expired(self, now: float) -> bool:
        return self.expires != 0 and now > self.expires + SKEW


@dataclass(frozen=True)
class Keys:
    """The handler's secrets. `masters`: the first signs, all verify. `admin`: empty where there is no admin."""

    masters: Mapping[str, bytes]
    email: bytes
    admin: str = ""

    @property
    def signer(self) -> str:
        return next(iter(self.masters))


def parse_keys(env: Mapping[str, str]) -> Keys:
    """MAGNETGEN_SECRETS, MAGNETGEN_EMAIL_KEY and MAGNETGEN_ADMIN_TOKEN. Raises SiteFault that says how to make them."""
    admin = env.get("MAGNETGEN_ADMIN_TOKEN", "").strip()
    if admin and len(admin) < ADMIN_MIN:
        raise SiteFault(f"MAGNETGEN_ADMIN_TOKEN needs 256 bits, {ADMIN_MIN} characters or more; {_HOW}")
    return Keys(_masters(env.get("MAGNETGEN_SECRETS", "")), _email_key(env.get("MAGNETGEN_EMAIL_KEY", "")), admin)


def _masters(text: str) -> dict[str, bytes]:
    if not text.strip():
        raise SiteFault(f"MAGNETGEN_SECRETS is not set; {_HOW}")
    masters: dict[str, bytes] = {}
    for part in text.split(","):
        kid, colon, key = part.strip().partition(":")
        if not colon or not _KID.fullmatch(kid) or not _HEX.fullmatch(key):
            raise SiteFault(f"MAGNETGEN_SECRETS is to be like k1:HEX with 64 or more hex digits; {_HOW}")
        if kid in masters:
            raise SiteFault(f"MAGNETGEN_SECRETS has two keys named {kid}")
        masters[kid] = bytes.fromhex(key)
    return masters


def _email_key(text: str) -> bytes:
    if not text.strip():
        raise SiteFault(f"MAGNETGEN_EMAIL_KEY is not set; {_HOW}")
    if not _HEX.fullmatch(text.strip()):
        raise SiteFault(f"MAGNETGEN_EMAIL_KEY is to be 64 or more hex digits; {_HOW}")
    return bytes.fromhex(text.strip())


def make_secrets() -> dict[str, str]:
    """Fresh values for a handler's environment."""
    return {
        "MAGNETGEN_SECRETS": f"k1:{secrets.token_hex(32)}",
        "MAGNETGEN_EMAIL_KEY": secrets.token_hex(32),
        "MAGNETGEN_ADMIN_TOKEN": secrets.token_urlsafe(32),
    }


def hkdf(master: bytes, salt: bytes, info: bytes, length: int = 32) -> bytes:
    """HKDF-SHA256: extract, then expand."""
    key, block, output = mac(salt or bytes(32), master), b"", b""
    for number in range(1, -(-length // 32) + 1):
        block = mac(key, block + info + bytes((number,)))
        output += block
    return output[:length]


def mac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def derive(keys: Keys, kid: str, purpose: str) -> bytes:
    return hkdf(keys.masters[kid], kid.encode(), b"magnetgen/v1/" + purpose.encode())


def email_key(keys: Keys, address: str) -> str:
    """What an address is unique by, and found by after it is erased: a keyed hash, in hex."""
    return mac(keys.email, address.lower().encode()).hex()


def sign(keys: Keys, token: Token, nonce: bytes) -> str:
    """The token as text. `nonce`: 16 random bytes."""
    payload: dict[str, Any] = {
        "e": token.expires,
        "f": token.form,
        "i": token.issued,
        "n": b64(nonce),
        "p": token.purpose,
        "s": token.lead,
    }
    if token.asset:
        payload["a"] = token.asset
    text = json.dumps(payload, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    head = f"mg1.{keys.signer}.{b64(text.encode())}"
    return f"{head}.{b64(mac(derive(keys, keys.signer, token.purpose), head.encode()))}"


def issue(
    keys: Keys, purpose: str, form: str, lead: str, now: float, nonce: bytes, asset: str = "", valid_for: int = 0
) -> str:
    """A fresh token. `valid_for`: seconds, where it is not to live as long as those of its purpose do."""
    issued, lifetime = int(now), valid_for or LIFETIMES[purpose]
    return sign(keys, Token(purpose, form, lead, issued, issued + lifetime if lifetime else 0, asset), nonce)


def verify(keys: Keys, text: str, purpose: str, now: float) -> Token:
    """A genuine token of that purpose, expired or not. Raises InvalidToken for anything else."""
    match = _TOKEN.fullmatch(text) if len(text) <= TOKEN_MAX else None
    if not match or match[1] not in keys.masters:
        raise InvalidToken
    kid, payload, given = match.groups()
    wanted = b64(mac(derive(keys, kid, purpose), f"mg1.{kid}.{payload}".encode()))
    # Encoded texts are compared, so a MAC with loose bits at its end is another text.
    if not hmac.compare_digest(wanted.encode(), given.encode()):
        raise InvalidToken
    token = _parse(payload)
    if token.purpose != purpose or token.issued > now + SKEW:
        raise InvalidToken
    return token


def _parse(payload: str) -> Token:
    try:
        raw = unb64(payload)
        data = json.loads(raw.decode())
    except (ValueError, RecursionError):
        raise InvalidToken from None
    if not isinstance(data, dict) or data.keys() - {"a"} != {"e", "f", "i", "n", "p", "s"}:
        raise InvalidToken
    if any(type(data[key]) is not int or not 0 <= data[key] < 2**53 for key in "ei"):
        raise InvalidToken
    if any(not isinstance(data[key], str) for key in data.keys() - {"e", "i"}):
        raise InvalidToken
    if not (_FORM.fullmatch(data["f"]) and _ID.fullmatch(data["s"]) and _NONCE.fullmatch(data["n"])):
        raise InvalidToken
    return Token(data["p"], data["f"], data["s"], data["i"], data["e"], data.get("a", ""))


def b64(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """Canonical base64url only. Raises ValueError."""
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64(raw) != text:
        raise ValueError("not canonical")
    return raw


def client_key(keys: Keys, form: str, network: str, day: int) -> str:
    """Who asks, for counting only: no address is kept, and tomorrow's key is another."""
    daily = derive(keys, keys.signer, f"rate/{day}")
    return mac(daily, f"{form}\0{network}".encode())[:16].hex()


def derived_idempotency(keys: Keys, form: str, address: str, fingerprint: str, bucket: int) -> str:
    """The key of a submission that came without one. No client can send it: `~` is no character of theirs."""
    return "~" + mac(keys.email, f"{form}\0{address.lower()}\0{fingerprint}\0{bucket}".encode()).hex()


def same(given: str, wanted: str) -> bool:
    """Constant-time comparison of texts of any length and kind."""
    return hmac.compare_digest(sha256(given.encode("utf-8", "replace")).digest(), sha256(wanted.encode()).digest())
