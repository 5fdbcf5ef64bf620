"""Claims about the pages: every public name is listed, every example runs."""

import re
from pathlib import Path

import matplotlib as mpl
import pytest

import behavior_learning as bl
from behavior_learning import datasets, inference, interchange, metrics, plots

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.md"))


def test_every_public_name_is_in_the_reference():
    listed = set(re.findall(r"^   (\w+)$", (ROOT / "docs" / "reference.md").read_text(encoding="utf-8"), re.MULTILINE))
    public = {name for module in (bl, datasets, inference, interchange, metrics, plots) for name in module.__all__}
    assert listed == public - {"datasets", "inference", "interchange", "metrics", "plots"}


def test_every_example_has_its_page():
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    assert re.findall(r"^examples/(\w+)$", page, re.MULTILINE) == [path.stem for path in EXAMPLES]


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path, monkeypatch):
    mpl.use("Agg")
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(path.parent)
    names: dict[str, object] = {}
    for cell in cells:
        exec(cell, names)
