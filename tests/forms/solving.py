"""Solves proofs of work as a page's script does; also a command that writes solutions for the contract's vectors.

python -m tests.forms.solving mg1/12/plain/site.example/1780315200/0123456789abcdef/
"""

from __future__ import annotations

import sys
from itertools import count

from magnetgen.forms.proof import zero_bits
from tests.forms.data import NOW

SALT = "0123456789abcdef"


def solve(prefix: str, bits: int | None = None) -> str:
    """The first number that makes the text right. `bits`: other than the text claims."""
    wanted = int(prefix.split("/")[1]) if bits is None else bits
    return next(text for n in count() if zero_bits(text := f"{prefix}{n}") >= wanted)


def solution(form: str = "plain", bits: int = 8, host: str = "site.example", time: int = NOW, salt: str = SALT) -> str:
    return solve(f"mg1/{bits}/{form}/{host}/{time}/{salt}/")


def wrong(prefix: str, bits: int) -> str:
    """The first number that does not do."""
    return next(text for n in count() if zero_bits(text := f"{prefix}{n}") < bits)


if __name__ == "__main__":
    print("\n".join(solve(prefix) for prefix in sys.argv[1:]))
