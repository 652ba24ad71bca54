"""Lead magnets: one Markdown file → what a lead receives (PDF, EPUB, calendar file), and what tells of it.

What leads receive lies in .magnetgen/magnets/, never in the output; `leaks` proves it for each build.
"""

from __future__ import annotations

from magnetgen import jobs
from magnetgen.diagnostics import Report
from magnetgen.magnets.privacy import FOLDER, leaks, sweep
from magnetgen.plan import Plan
from magnetgen.theme import Theme

__all__ = ["FOLDER", "leaks", "make", "sweep"]


def make(plan: Plan, theme: Theme, report: Report, anew: bool = False) -> None:
    """Make every magnet that a form gives, and write the landing pages that they bring along.

    `anew`: also what is there already. Faults go to the report.
    """
    if not plan.magnets:
        return
    from magnetgen.magnets import (
        gifts,  # sites without magnets need none of it
        page,
    )

    jobs.foresee(plan)
    page.write(plan, theme, gifts.make(plan, theme, report, anew))
