"""One self-contained HTML page about a fitted model."""

from behavior_learning.report.page import Report, report

__all__ = ["Report", "report"]
