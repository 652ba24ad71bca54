"""`python -m magnetgen`."""

from magnetgen.cli import main

main()
