"""The oversight report of one model and one period: what is on record, section by section, and what is not."""

from __future__ import annotations

from monitor.core.oversight.report.facts import Facts
from monitor.core.oversight.report.made import make_report

__all__ = ["Facts", "make_report"]
