"""Run the paper's experiments as far as they have no records yet, and render their tables.

    make experiments                                        # all of it: days
    python -m experiments.paper --sections prediction --data german_credit --seeds 0 1
    python -m experiments.paper --render              # tables and figures alone

Data come from the folder that BL_DATA names, else from OpenML. What is missing, data or packages, is named and skipped.
"""

import argparse
import warnings
from importlib import import_module

from experiments.paper.goals import render as render_goals
from experiments.paper.records import measured

SECTIONS = ("prediction", "copies", "days", "regression", "dimensions", "boston", "enforcement", "theory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--data", nargs="+", help="sets, by default all of a section")
    parser.add_argument("--models", nargs="+", help="by default all of a section")
    parser.add_argument("--seeds", nargs="+", type=int)
    parser.add_argument("--render", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    for name in arguments.sections:
        section = import_module(f"experiments.paper.{name}")
        if not arguments.render:
            with warnings.catch_warnings(action="ignore"):
                for case in section.cases(arguments.data, arguments.models, arguments.seeds):
                    measured(case, section.measure)
        section.render()
    render_goals()


if __name__ == "__main__":
    main()
