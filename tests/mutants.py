"""Plant small faults, one at a time, and see which of them the quick suite finds.

    python -m tests.mutants                                   # how many there are, by package
    python -m tests.mutants --sample 20 --seed 0              # of that many: killed or survived, and where
    python -m tests.mutants --at inference/comparison.py      # every one in a file

A mutant turns a comparison, an operator, a number, a branch or an extremum of one expression into its neighbour. It
runs in a copy of the project, against the test files that execute its line: those that name its module, then those of
its package, then others that are recorded, the cheapest first, until one fails or `--most` CPU seconds are spent. What
a file executes is recorded once, in a run without mutants that has to pass: where it is needed, or of all files by
`--record`. Records are kept in `--cache`, so that a survey goes on where it was left, and files that changed are run
again on what survived; what was killed stays so while its definition and the file that killed it are there. A sample
stays nearly the same where sources change.

Survivors that change no result a user can see are listed below the reason in `tests/equivalent.txt`. They are not run
again, and counted apart. `--page` writes what was found.
"""

import argparse
import ast
import copy
import json
import math
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.forked import import_heavy, run

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "src/behavior_learning"
MUTATED = ("core", "gibbs", "objectives", "identification", "inference", "training", "learned")
SLOWER = 10
"""Times the CPU seconds of a passing run, and a minute, after which a mutant counts as killed: it runs for ever."""

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
EQUIVALENT = ROOT / "tests" / "equivalent.txt"

UNSEEN = (ast.Raise, ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)
"""What a claim about results cannot see; nor `strict=` of `zip`, which only asserts."""


class Mutant(NamedTuple):
    """One expression of a file and what stands there instead.

    Attributes
    ----------
    lines : the first and the last of the statement, or of the head of a block, that the expression is in.
    nth : which of the equal mutants of the file it is.
    within : digest of the definition at the top of the file, or the statement, that the expression is in.
    """

    path: str
    line: int
    before: str
    after: str
    lines: tuple[int, int]
    nth: int
    within: str
    source: str

    def __str__(self) -> str:
        return f"{self.path.removeprefix(PACKAGE + '/')}:{self.line}  {self.before}  →  {self.after}"

    @property
    def key(self) -> str:
        """What it is, wherever its line has moved to."""
        return f"{self.path}  {self.before}  →  {self.after}  {self.nth}"

    @property
    def place(self) -> str:
        """What it is, as `tests/equivalent.txt` has it."""
        return self.key.removeprefix(PACKAGE + "/")


def mutants(path: Path) -> Iterator[Mutant]:
    """Every mutant of a file."""
    source, name = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode()))
    text, equal = source.encode(), Counter()
    for top in ast.parse(source).body:
        within = digest_of(ast.unparse(top))
        for node, lines in expressions(top):
            begin, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
            for other in neighbours(node):
                before, after = ast.unparse(node), ast.unparse(other)
                changed = (text[:begin] + f"({after})".encode() + text[end:]).decode()
                yield Mutant(name, node.lineno, before, after, lines, equal[before, after], within, changed)
                equal[before, after] += 1


def expressions(node: ast.AST, lines: tuple[int, int] = (0, 0)) -> Iterator[tuple[ast.expr, tuple[int, int]]]:
    """Expressions that compute, with the lines that they are in: no annotations, decorators, defaults or messages."""
    if isinstance(node, UNSEEN) or (isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn"):
        return
    if isinstance(node, ast.keyword) and node.arg == "strict":
        return
    if isinstance(node, ast.stmt | ast.match_case):
        body = getattr(node, "body", None)
        first = node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno
        lines = first, max(first, body[0].lineno - 1) if body else getattr(node, "end_lineno", first)
    if isinstance(node, ast.expr):
        yield node, lines
    skipped = {"annotation", "returns", "decorator_list", "args"} if not isinstance(node, ast.Call) else set()
    for field, value in ast.iter_fields(node):
        if field not in skipped:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from expressions(child, lines)


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


def equivalents() -> dict[str, str]:
    """Reasons by `Mutant.place`: a line of its own, above the indented places that it is of."""
    reason, found = "", {}
    for line in EQUIVALENT.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            found[line.strip()] = reason
        elif line.strip():
            reason = line.strip()
    return found


def digest(file: Path) -> str:
    return digest_of(file.read_text(encoding="utf-8"))


def digest_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


class Suite:
    """The test files: how long each takes, and what it executes.

    Parameters
    ----------
    project : a copy of the project to run them in.
    kept : a folder for records.
    """

    def __init__(self, project: Path, kept: Path):
        self.project, self.kept = project, kept
        kept.mkdir(parents=True, exist_ok=True)
        found = sorted((project / "tests").rglob("test_*.py"))
        self.files = {str(file.relative_to(project)): digest(file) for file in found}
        self.text = {file: (project / file).read_text(encoding="utf-8") for file in self.files}
        self.known = {
            file: json.loads(path.read_text()) for file in self.files if (path := self._record(file)).exists()
        }

    def candidates(self, path: str) -> list[str]:
        """Test files: those that name a module, those of its package, and of the others those of which it is known what
        they execute; in each the cheapest first."""
        module = path.removeprefix("src/").removesuffix(".py").replace("/", ".")
        package, _, own = module.rpartition(".")
        named = re.compile(rf"{re.escape(module)}\b|from {re.escape(package)} import [^#]*?\b{own}\b")
        folders = tuple(f"tests/{prefix}{module.split('.')[1]}" for prefix in ("", "test_"))

        def rank(file: str) -> tuple[bool, bool, float]:
            seconds = self.known[file]["seconds"] if file in self.known else math.inf
            return not named.search(self.text[file]), not file.startswith(folders), seconds

        return sorted((file for file in self.files if file in self.known or not all(rank(file)[:2])), key=rank)

    def executes(self, file: str, mutant: Mutant) -> bool:
        """Whether a test file passes without the mutant and executes its line."""
        present = digest(self.project / mutant.path)
        if file in self.known and self.known[file]["modules"].get(mutant.path, present) != present:
            del self.known[file]
        known = self.learn(file)
        first, last = mutant.lines
        executed = any(first <= line <= last for line in known["lines"].get(mutant.path, []))
        return known["code"] == 0 and executed

    def learn(self, file: str) -> dict:
        """What is known of a file, which is run where nothing is."""
        if file not in self.known:
            self.known[file] = self._recorded(file)
        return self.known[file]

    def _record(self, file: str) -> Path:
        return self.kept / f"{file.replace('/', '.')}.{self.files[file]}.json"

    def _recorded(self, file: str) -> dict:
        """Run a file watched, which takes half as long again."""
        seen = self.kept / "seen.txt"
        ended = run(self.project, file, seen=seen)
        lines: dict[str, list[int]] = {}
        for place in seen.read_text(encoding="utf-8").splitlines() if seen.exists() else []:
            path, _, line = place.rpartition(":")
            lines.setdefault(path, []).append(int(line))
        seen.unlink(missing_ok=True)
        modules = {path: digest(self.project / path) for path in lines}
        known = {"code": ended.code, "seconds": ended.seconds, "lines": lines, "modules": modules}
        self._record(file).write_text(json.dumps(known), encoding="utf-8")
        print(f"recorded {ended.seconds:6.1f} s of CPU, code {ended.code}  {file}", flush=True)
        return known


class Verdict(NamedTuple):
    """What became of a mutant.

    Attributes
    ----------
    outcome : ``"killed"``, ``"survived"``, ``"unreached"`` where no test file executes its line, or ``"equivalent"``.
    by : the test file that failed.
    tried : the test files that were run, with the digest of each.
    left : test files that were not tried for want of time.
    """

    outcome: str
    by: str
    tried: dict[str, str]
    left: int
    seconds: float


def judged(suite: Suite, mutant: Mutant, most: float, before: Verdict | None) -> Verdict:
    """Run a mutant against the test files that execute its line, but for those that are known to pass."""
    if before and before.by in suite.files:
        return before
    same = {file: own for file, own in (before.tried if before else {}).items() if own == suite.files.get(file)}
    target, spent, tried = suite.project / mutant.path, 0.0, dict(same)
    original, at = target.read_text(encoding="utf-8"), target.stat()
    open_files = [file for file in suite.candidates(mutant.path) if file not in same]
    for number, file in enumerate(open_files):
        if spent >= most:
            return Verdict("survived", "", tried, len(open_files) - number, spent)
        if not suite.executes(file, mutant):
            continue
        target.write_text(mutant.source, encoding="utf-8")
        os.utime(target, (at.st_atime, at.st_mtime + 60))  # Compiled files of the original are not taken for it.
        ended = run(suite.project, file, most=60 + SLOWER * suite.known[file]["seconds"])
        target.write_text(original, encoding="utf-8")
        os.utime(target, (at.st_atime, at.st_mtime))
        spent += ended.seconds
        tried[file] = suite.files[file]
        if ended.code != 0:
            return Verdict("killed", file, tried, 0, spent)
    return Verdict("survived" if tried else "unreached", "", tried, 0, spent)


def survey(chosen: list[Mutant], kept: Path, most: float, *, record: bool = False) -> list[Verdict]:
    """Judge mutants one after the other, saying of each whether it was killed."""
    verdicts: list[Verdict] = []
    records, reasons = kept / "verdicts.jsonl", equivalents()
    with TemporaryDirectory() as folder:
        project = Path(folder)
        for part in ("src", "tests", "pyproject.toml", "CONTRIBUTING.md", "README.md"):
            (shutil.copytree if (ROOT / part).is_dir() else shutil.copy2)(ROOT / part, project / part)
        suite = Suite(project, kept)
        for file in suite.files if record else ():
            suite.learn(file)
        lines = records.read_text(encoding="utf-8").splitlines() if records.exists() else []
        known = {key: Verdict(*verdict) for key, verdict in map(json.loads, lines)}
        for mutant in chosen:
            key = f"{mutant.key} {mutant.within}"
            verdict = known.get(key)
            if mutant.place in reasons and (verdict is None or verdict.outcome != "killed"):
                verdicts.append(Verdict("equivalent", "", {}, 0, 0.0))
                continue
            verdict = judged(suite, mutant, most, verdict)
            with records.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, verdict], ensure_ascii=False) + "\n")
            verdicts.append(verdict)
            more = f" ({verdict.left} files not tried)" if verdict.left else ""
            print(f"{verdict.outcome:9s} {verdict.seconds:4.0f} s  {mutant}  {verdict.by}{more}", flush=True)
    return verdicts


def page(command: str, chosen: list[Mutant], verdicts: list[Verdict]) -> str:
    """What was found, in Markdown."""
    counts, reasons = Counter(verdict.outcome for verdict in verdicts), equivalents()
    killed, n = counts["killed"], len(chosen)
    others = n - counts["equivalent"]
    lines = [
        "# Mutants that the quick suite did not kill",
        "",
        f"`{command}`: of {n} mutants {killed} were killed, **{killed / n:.0%}** (aim 85 %).",
        f"{n - others} change no result that a user can see (below); of the others {killed / others:.0%} were killed,",
        f"{counts['survived']} survived the files tried, {counts['unreached']} are on lines that none executes.",
        "",
        "| mutant | outcome |",
        "|---|---|",
    ]
    found = list(zip(chosen, verdicts, strict=True))
    for mutant, verdict in found:
        if verdict.outcome in ("survived", "unreached"):
            more = f", {verdict.left} files not tried" if verdict.left else ""
            lines.append(f"| {in_cell(mutant)} | {verdict.outcome}{more} |")
    lines += ["", "## What changes no result", "", "| mutant | reason |", "|---|---|"]
    same = [(reasons[mutant.place], mutant) for mutant, verdict in found if verdict.outcome == "equivalent"]
    lines += [f"| {in_cell(mutant)} | {reason} |" for reason, mutant in same]
    return "\n".join(lines) + "\n"


def in_cell(mutant: Mutant) -> str:
    return "`" + str(mutant).replace("|", "\\|") + "`"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", nargs="*", default=[])
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--most", type=float, default=90.0)
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "mutants")
    parser.add_argument("--page", type=Path, help="a file of Markdown to write")
    given = parser.parse_args()
    source = ROOT / PACKAGE
    wanted = [source / name for name in given.at or MUTATED]
    paths = sorted(file for path in wanted for file in (path.rglob("*.py") if path.is_dir() else [path]))
    every = [mutant for path in paths for mutant in mutants(path)]
    counts = Counter(mutant.path.removeprefix(f"{PACKAGE}/").split("/")[0] for mutant in every)
    print(f"{len(every)} mutants:", ", ".join(f"{name} {count}" for name, count in counts.items()), flush=True)
    if gone := set() if given.at else equivalents().keys() - {mutant.place for mutant in every}:
        print(f"{EQUIVALENT.name} has {len(gone)} that are no more:", *sorted(gone), sep="\n")
    drawn = sorted(every, key=lambda mutant: digest_of(f"{given.seed} {mutant.key}"))[: given.sample]
    chosen = drawn if given.sample else every if given.at else []
    if chosen:
        import_heavy()
        verdicts = survey(chosen, given.cache, given.most, record=given.record)
        counts = Counter(verdict.outcome for verdict in verdicts)
        print(dict(counts), f"{counts['killed'] / len(chosen):.0%} of {len(chosen)} killed")
        if given.page:
            command = f"python -m tests.mutants --sample {given.sample} --seed {given.seed} --most {given.most:g}"
            given.page.write_text(page(command, chosen, verdicts), encoding="utf-8")


if __name__ == "__main__":
    main()
