"""Run all benchmarks, one after the other, and write what they print to benchmarks/RESULTS.md.

python benchmarks/run.py --data DIR [--only step growth ...]
"""

import argparse
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
WITHOUT_DATA = ("step", "growth", "compilation")
WITH_DATA = ("fits", "quality", "optimizers", "search", "prediction")

INTRODUCTION = """# What the benchmarks measured

Written by `make bench`; nothing here is typed by hand. Ratios are taken alternately within one run on a shared machine.
What was tried for speed, the failures too, is in LOG.md.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[*WITHOUT_DATA, *WITH_DATA])
    arguments = parser.parse_args()
    printed = [INTRODUCTION]
    for name in arguments.only:
        options = [] if name in WITHOUT_DATA else ["--data", str(arguments.data)]
        print(f"running {name}", flush=True)
        command = [sys.executable, str(FOLDER / f"{name}.py"), *options]
        printed.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        (FOLDER / "RESULTS.md").write_text("\n".join(printed), encoding="utf-8")


if __name__ == "__main__":
    main()
