"""Rules that hold for every page and for the whole site. Each has a code for good: docs/diagnostics.md lists them."""

from magnetgen.check.page import check_page
from magnetgen.check.site import check_site

__all__ = ["check_page", "check_site"]
