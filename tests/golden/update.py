"""Make the expected trees anew: `python tests/golden/update.py`, as `make golden` does. Read the diff before keeping it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "src"), str(Path(__file__).resolve().parents[2])]

from tests.golden import golden  # noqa: E402  (the path first)


def main() -> None:
    for name in golden.names():
        golden.update(name)
        print(f"{name}: {len(golden.expected(name))} files")


if __name__ == "__main__":
    main()
