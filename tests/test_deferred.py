"""Claims about modules that load when something in them is first asked for."""

import importlib
import sys
from types import ModuleType

import pytest

from behavior_learning.deferred import defer


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a part that counts how often it loads, and a part of that; the first part is deferred."""
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "part").mkdir()
    (tmp_path / "whole" / "__init__.py").write_text("loads = 0\n")
    (tmp_path / "whole" / "part" / "__init__.py").write_text(
        "import whole\nwhole.loads += 1\nfrom whole.part import inner\nvalue = inner.value\n"
    )
    (tmp_path / "whole" / "part" / "inner.py").write_text("value = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    defer("whole.part")
    yield importlib.import_module("whole")
    for name in [name for name in sys.modules if name.partition(".")[0] == "whole"]:
        del sys.modules[name]


def test_import_statements_load_nothing(package):
    exec("import whole.part\nimport whole.part as part\nfrom whole import part")
    assert not hasattr(sys.modules["whole.part"], "__file__")
    assert package.loads == 0


@pytest.mark.parametrize(
    "code", ["from whole.part import value", "from whole.part.inner import value", "import whole.part.inner"]
)
def test_what_is_asked_for_loads_it_once(package, code):
    held = sys.modules["whole.part"]
    exec(code)
    assert (held.value, held.inner.value, package.loads) == (7, 7, 1)
    assert sys.modules["whole.part"] is held
    assert type(held) is ModuleType
    assert "value" in dir(held)
    with pytest.raises(AttributeError, match="nothing"):
        held.nothing  # noqa: B018


def test_dir_loads_it(package):
    assert "value" in dir(sys.modules["whole.part"])


def test_what_is_not_there_says_so(package):
    defer("whole.absent")
    with pytest.raises(ModuleNotFoundError, match=r"whole\.absent"):
        sys.modules["whole.absent"].value  # noqa: B018


def test_what_has_been_imported_stays(package):
    inner = importlib.import_module("whole.part.inner")
    defer("whole.part.inner")
    assert sys.modules["whole.part.inner"] is inner
