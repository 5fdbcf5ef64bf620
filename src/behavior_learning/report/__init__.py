"""One self-contained HTML page about a fitted model."""

from behavior_learning.report.page import Report, write_report

__all__ = ["Report", "write_report"]
