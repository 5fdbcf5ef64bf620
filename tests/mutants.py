"""Plant small faults, one at a time, and see which of them the quick suite finds.

    python -m tests.mutants                                   # how many there are, by package
    python -m tests.mutants --sample 20 --seed 0              # of that many: killed or survived, and where
    python -m tests.mutants --at inference/comparison.py      # every one in a file

A mutant turns a comparison, an operator, a number, a branch or an extremum of one expression into its neighbour. It
runs in a copy of the project, and only the test files that import its module, or those of its package where none does.
Without the mutant these files must pass: otherwise the mutant is not counted.
"""

import argparse
import ast
import copy
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "src/behavior_learning"
MUTATED = ("core", "gibbs", "objectives.py", "identification", "inference", "training", "learned")
MOST_SECONDS = 300
"""After which a mutant counts as killed: it runs for ever."""

SWAPPED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
EXTREMA = {
    "min": "max",
    "max": "min",
    "minimum": "maximum",
    "maximum": "minimum",
    "argmin": "argmax",
    "argmax": "argmin",
}
UNSEEN = (ast.Raise, ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)
"""What a claim about results cannot see."""


class Mutant(NamedTuple):
    """One expression of a file and what stands there instead."""

    path: str
    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"{self.path.removeprefix(PACKAGE + '/')}:{self.line}  {self.before}  →  {self.after}"


def mutants(path: Path) -> Iterator[Mutant]:
    """Every mutant of a file."""
    source, name = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    text = source.encode()
    for node in expressions(ast.parse(source)):
        begin, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        for other in neighbours(node):
            after = ast.unparse(other)
            changed = (text[:begin] + f"({after})".encode() + text[end:]).decode()
            yield Mutant(name, node.lineno, ast.unparse(node), after, changed)


def expressions(node: ast.AST) -> Iterator[ast.expr]:
    """Expressions that compute: no annotations, decorators, defaults, messages or subscripts of types."""
    if isinstance(node, UNSEEN) or (isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn"):
        return
    if isinstance(node, ast.expr):
        yield node
    skipped = {"annotation", "returns", "decorator_list", "args"} if not isinstance(node, ast.Call) else set()
    for field, value in ast.iter_fields(node):
        if field not in skipped:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from expressions(child)


def neighbours(node: ast.expr) -> Iterator[ast.expr]:
    """What an expression could be mistaken for."""
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in SWAPPED:
            yield changed(node, ops=[SWAPPED[type(operator)]()])
        case ast.BoolOp(op=operator):
            yield changed(node, op=SWAPPED[type(operator)]())
        case ast.BinOp(op=operator, left=left) if type(operator) in SWAPPED and not is_text(left):
            yield changed(node, op=SWAPPED[type(operator)]())
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.IfExp(body=body, orelse=orelse):
            yield changed(node, body=orelse, orelse=body)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=float(value)):
            yield ast.Constant(2 * value or 1.0)
        case ast.Call(func=ast.Attribute(attr=name) as function) if name in EXTREMA:
            yield changed(node, func=changed(function, attr=EXTREMA[name]))
        case ast.Call(func=ast.Name(id=name)) if name in EXTREMA:
            yield changed(node, func=ast.Name(EXTREMA[name]))
        case _:
            return


def changed(node: ast.expr, **parts) -> ast.expr:
    other = copy.copy(node)
    for name, part in parts.items():
        setattr(other, name, part)
    return other


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def tests_of(path: str) -> list[str]:
    """Test files that import a module, or those of its package where none does."""
    module = path.removeprefix("src/").removesuffix(".py").replace("/", ".")
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    own = [file for file in files if module in file.read_text(encoding="utf-8")]
    package = module.split(".")[1]
    chosen = own or [file for file in files if f"tests/{package}/" in file.as_posix() or file.stem == f"test_{package}"]
    return [str(file.relative_to(ROOT)) for file in chosen]


def run(copy_of_project: Path, files: tuple[str, ...]) -> int:
    """The exit code of the quick tests in some files, stopping at the first failure."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", *files]
    paths = {"PYTHONPATH": str(copy_of_project / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=copy_of_project, env=os.environ | paths, capture_output=True, timeout=MOST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return 1
    return done.returncode


def survey(chosen: list[Mutant]) -> Counter[str]:
    """Run mutants one after the other, saying of each whether it was killed."""
    counts: Counter[str] = Counter()
    with TemporaryDirectory() as folder:
        project = Path(folder)
        for part in ("src", "tests", "pyproject.toml", "CONTRIBUTING.md", "README.md"):
            (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(ROOT / part, project / part)
        passes = cache(lambda files: run(project, files) == 0)
        for mutant in chosen:
            files, begun = tuple(tests_of(mutant.path)), time.perf_counter()
            if not files or not passes(files):
                outcome = "untested" if not files else "red without it"
            else:
                target = project / mutant.path
                original = target.read_text(encoding="utf-8")
                target.write_text(mutant.source, encoding="utf-8")
                outcome = "survived" if run(project, files) == 0 else "killed"
                target.write_text(original, encoding="utf-8")
            counts[outcome] += 1
            print(f"{outcome:14s} {time.perf_counter() - begun:4.0f} s  {mutant}", flush=True)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", nargs="*", default=[])
    given = parser.parse_args()
    source = ROOT / PACKAGE
    wanted = [source / name for name in given.at or MUTATED]
    paths = sorted(file for path in wanted for file in (path.rglob("*.py") if path.is_dir() else [path]))
    every = [mutant for path in paths for mutant in mutants(path)]
    counts = Counter(mutant.path.removeprefix(f"{PACKAGE}/").split("/")[0] for mutant in every)
    print(f"{len(every)} mutants:", ", ".join(f"{name} {count}" for name, count in counts.items()))
    chosen = Random(given.seed).sample(every, given.sample) if given.sample else every if given.at else []
    if chosen:
        found = survey(chosen)
        judged = found["killed"] + found["survived"]
        print(dict(found), f"{found['killed'] / max(judged, 1):.0%} of {judged} killed")


if __name__ == "__main__":
    main()
