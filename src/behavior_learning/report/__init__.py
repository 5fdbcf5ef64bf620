"""One self-contained HTML page about a fitted model.

Its parts load on first use, so that estimators load no figures.
"""

from typing import TYPE_CHECKING

from behavior_learning.first_use import on_first_use

if TYPE_CHECKING:
    from behavior_learning.report.page import Report, write_report

__all__ = ["Report", "write_report"]

__getattr__ = on_first_use(__name__, {"page": __all__})
