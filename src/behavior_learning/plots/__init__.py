"""Figures from plain values: every function returns a matplotlib Figure, shows nothing and draws no random number.

Colours are Okabe and Ito's; signs and heads also differ in dash, marker or words. ``figure.savefig("f.svg")`` or
``"f.pdf"`` keeps lines as lines.
"""

from behavior_learning.plots.calibration import coverage, pit_histogram, reliability
from behavior_learning.plots.decisions import scenario, tornado
from behavior_learning.plots.discovery import discovery_path
from behavior_learning.plots.effects import contributions, curve, effects, surface
from behavior_learning.plots.estimates import coefficients, local_optima, training
from behavior_learning.plots.graphs import block_graph, polynomial_graph
from behavior_learning.plots.hierarchy import hierarchy
from behavior_learning.plots.intervals import prediction_intervals
from behavior_learning.plots.landscape import feasible_region, landscape
from behavior_learning.plots.violations import violations

__all__ = [
    "block_graph",
    "coefficients",
    "contributions",
    "coverage",
    "curve",
    "discovery_path",
    "effects",
    "feasible_region",
    "hierarchy",
    "landscape",
    "local_optima",
    "pit_histogram",
    "polynomial_graph",
    "prediction_intervals",
    "reliability",
    "scenario",
    "surface",
    "tornado",
    "training",
    "violations",
]
