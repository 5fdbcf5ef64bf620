"""What benchmarks and experiments import is there: they are run seldom, and move with nobody."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = [*sorted((ROOT / "benchmarks").glob("*.py")), *sorted((ROOT / "experiments").rglob("*.py"))]


def names_of(path: Path) -> set[str]:
    """What a script defines or imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                found |= {alias.asname or alias.name for alias in aliases}
            case _:
                pass
    return found


def has(module: str, name: str, script: Path) -> bool:
    """Whether a module of ours, or a script beside this one, has a name."""
    if module.startswith("behavior_learning"):
        return hasattr(importlib.import_module(module), name) or (
            importlib.util.find_spec(f"{module}.{name}") is not None
        )
    own = ROOT / f"{module.replace('.', '/')}.py"
    return name in names_of(own if own.exists() else script.parent / f"{module}.py")


def installable(module: str) -> bool:
    """Whether a package is here, or is one that pyproject.toml names for those who ask for it."""
    named = re.findall(r'"([a-z]+)[\w-]*(?:\[\w,]+)?[=><]', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return importlib.util.find_spec(module) is not None or module in named


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_scripts_import_what_is_there(script):
    beside = {path.stem for path in SCRIPTS if path.parent == script.parent}
    for node in ast.parse(script.read_text(encoding="utf-8")).body:  # Within functions they may be missing.
        if isinstance(node, ast.ImportFrom) and node.module:
            root = node.module.split(".")[0]
            if root in {"behavior_learning", "experiments"} | beside:
                missing = [alias.name for alias in node.names if not has(node.module, alias.name, script)]
                assert not missing, f"{node.module} has no {missing}"
            else:
                assert installable(root), f"there is no {root}"
