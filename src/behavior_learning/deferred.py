"""A module of others that loads when something in it is first asked for.

scikit-learn imports `scipy.stats` with its base class; that takes as long as JAX, and most processes never ask for it.
"""

import sys
from importlib import import_module
from importlib.util import module_from_spec
from threading import RLock
from types import ModuleType

__all__ = ["defer"]

_LOADING = RLock()


class _Deferred(ModuleType):
    """A module that is empty until an attribute is read; it fills up in place, so that whoever holds it holds the same.

    `importlib.util.LazyLoader` does not serve: its modules load when another `import` statement looks at their spec.
    """

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") and name != "__path__":  # Asked of all modules by those who look through them.
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        with _LOADING:
            if "__path__" not in vars(self):
                package, _, _ = self.__name__.rpartition(".")
                path = import_module(package).__path__
                found = (finder.find_spec(self.__name__, path) for finder in sys.meta_path)
                spec = next(filter(None, found), None)
                if spec is None or spec.loader is None:
                    raise ModuleNotFoundError(f"No module named {self.__name__!r}", name=self.__name__)
                vars(self).update(vars(module_from_spec(spec)))
                spec.loader.exec_module(self)
                object.__setattr__(self, "__class__", ModuleType)
        return getattr(super(), name) if type(self) is _Deferred else getattr(self, name)

    def __dir__(self) -> list[str]:
        return dir(self) if self.__path__ else []


def defer(name: str) -> None:
    """Let a package inside of another load on first use; nothing changes where it has been imported."""
    sys.modules.setdefault(name, _Deferred(name))
