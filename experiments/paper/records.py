"""One JSON file per data set, model and seed, with what it takes to make it again; what is there is not run again.

A record has what was measured, seconds by the clock and of the processor, the settings, the versions of the packages
and the tree of the sources. Cases whose data or packages are missing are named and left out, as are those that fail.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

RESULTS = Path(__file__).parents[1] / "results" / "paper"
PACKAGES = ("behavior-learning", "jax", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Case:
    """One fit to be judged.

    Attributes
    ----------
    section : the folder of its record.
    settings : whatever else says what is fitted, as plain values.
    packages : those the model comes from, whose versions are kept.
    """

    section: str
    data: str
    model: str
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    packages: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return RESULTS / self.section / self.data / f"{self.model.replace(' ', '-')}-{self.seed}.json"

    @property
    def name(self) -> str:
        return f"{self.section} / {self.data} / {self.model} / seed {self.seed}"


Measure = Callable[[Case], dict[str, Any]]


def measured(case: Case, measure: Measure) -> bool:
    """Make the record of a case if there is none; whether there is one now."""
    if case.path.exists():
        return True
    begun, used = time.perf_counter(), time.process_time()
    try:
        found = measure(case)
        versions = {package: version(package) for package in (*PACKAGES, *case.packages)}
    except (ValueError, RuntimeError, ModuleNotFoundError) as error:  # So some baselines fail on some tables.
        print(f"skipped {case.name}: {' '.join(str(error).split())}", flush=True)
        return False
    record = {
        "data": case.data,
        "model": case.model,
        "seed": case.seed,
        "measured": found,
        "seconds": round(time.perf_counter() - begun, 3),
        "processor seconds": round(time.process_time() - used, 3),
        "settings": dict(case.settings),
        "versions": versions,
        "src": sources(),
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    case.path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = case.path.with_suffix(".part")
    unfinished.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(case.path)
    print(f"{case.name}: {found}, {record['processor seconds']:.1f} processor seconds", flush=True)
    return True


def sources() -> str:
    """The tree of `src` in git, which outlives a rebase as a commit does not; a plus where files have changed since.

    ``git log --format=%H | while read c; do [ $(git rev-parse $c:src) = TREE ] && echo $c; done`` finds its commits.
    """
    git = ["git", "-C", str(Path(__file__).parents[2])]
    tree = subprocess.run([*git, "rev-parse", "HEAD:src"], capture_output=True, text=True, check=False)
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "src"], check=False).returncode
    return tree.stdout.strip() + ("+" if changed else "")


def table_of(section: str) -> pd.DataFrame:
    """All records of a section, a line each."""
    lines = []
    for path in sorted((RESULTS / section).glob("*/*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        kept = {name: record[name] for name in ("data", "model", "seed", "seconds", "processor seconds")}
        lines.append(kept | record["measured"])
    return pd.DataFrame(lines)


def write(section: str, text: str) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{section}.md").write_text(text.strip() + "\n", encoding="utf-8")


def markdown(header: Iterable[str], lines: Iterable[Iterable[Any]]) -> str:
    """A table; numbers with three decimals, and a dash for what was not run."""
    cell = lambda value: ("-" if pd.isna(value) else f"{value:.3f}") if isinstance(value, float) else str(value)
    row = lambda cells: "| " + " | ".join(cell(value).replace("|", "\\|") for value in cells) + " |"
    header = list(header)
    return "\n".join([row(header), row(["---"] * len(header)), *map(row, lines)])
