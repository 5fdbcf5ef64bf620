"""Names that load with their first use."""

import gc
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__all__ = ["load_module", "on_first_use"]


def load_module(module: str) -> Any:
    """A module, during whose loading the garbage collector rests.

    Modules are hundreds of thousands of objects that stay: the collector would look through all of them time and again.
    """
    if module in sys.modules or not gc.isenabled():
        return import_module(module)
    gc.disable()
    try:
        return import_module(module)
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()  # What is there counts as old at once, without being looked through.
        gc.enable()


def on_first_use(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """The `__getattr__` of a module whose names are those of other modules, which load when one is first asked for.

    Parameters
    ----------
    homes : modules within `package`, and the names of each.
    """
    home = {name: module for module, names in homes.items() for name in names}

    def find(name: str) -> Any:
        if name in home:
            return getattr(load_module(f"{package}.{home[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find
