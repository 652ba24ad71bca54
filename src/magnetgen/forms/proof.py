"""Proof of work: a puzzle that a page's script makes and solves by itself, and one hash that judges the solution. Pure.

A solution is one line of text, sent in the challenge's field:

    mg1/BITS/ACTION/HOSTNAME/TIME/SALT/NUMBER

BITS: how hard it is, 1 to 99; ACTION: the form's name; HOSTNAME: the site's; TIME: when the puzzle was made, in whole
seconds since the epoch; SALT: 16 to 64 random characters of `0-9a-z`; NUMBER: what was searched for. BITS, TIME and
NUMBER are decimal digits without a leading zero, of at most 2, 12 and 15 digits. Nothing is trimmed or folded.

It is right if all of this holds, with `now` in whole seconds, rounded down:

1. The text has at most 512 characters and exactly this shape: seven parts between six slashes.
2. ACTION and HOSTNAME equal the challenge's, character by character.
3. BITS is not less than the challenge's.
4. now - 3600 <= TIME <= now + 300.
5. The first BITS bits of the SHA-256 of the whole text, in UTF-8, are zero.

Each solution counts once. It is counted in the window `pow` under the last 32 hex digits of that SHA-256, with the
limit 1, after the fields were found valid and before the commit; the count is kept until TIME + 3900. A solution that
was counted before is worth nothing, but for one thing: a submission that has been answered already (same form, same
idempotency key or derived key, same fingerprint) gets its answer again, as every repetition does.
"""

from __future__ import annotations

import re
from hashlib import sha256

from magnetgen.forms.records import Count
from magnetgen.forms.site import Challenge

VERSION = "mg1"
LENGTH_MAX = 512
PAST, AHEAD = 3600, 300
"""Seconds by which a puzzle may be old, and a visitor's clock be fast."""
BUCKET = "pow"

_SHAPE = re.compile(
    r"mg1/([1-9][0-9]?)/([^/]+)/([^/]+)/(0|[1-9][0-9]{0,11})/([0-9a-z]{16,64})/(0|[1-9][0-9]{0,14})", re.S
)


def is_right(challenge: Challenge, solution: str, now: int) -> bool:
    """Whether it solves a puzzle of this challenge, and is fresh. `now`: whole seconds. It may still be spent."""
    match = _SHAPE.fullmatch(solution) if len(solution) <= LENGTH_MAX else None
    if match is None:
        return False
    bits, action, hostname, time = int(match[1]), match[2], match[3], int(match[4])
    if action != challenge.action or hostname != challenge.hostname or bits < challenge.bits:
        return False
    return now - PAST <= time <= now + AHEAD and zero_bits(solution) >= bits


def zero_bits(solution: str) -> int:
    """How many bits of its hash are zero before the first that is not."""
    return 256 - int.from_bytes(sha256(solution.encode()).digest()).bit_length()


def count(solution: str) -> Count:
    """The window that counts a right solution."""
    time = int(solution.split("/")[4])
    return Count(BUCKET, sha256(solution.encode()).hexdigest()[-32:], 1, (time + PAST + AHEAD) * 1000)
