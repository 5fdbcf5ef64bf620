"""Compiled programs on disk, for processes that come later."""

import os
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

from behavior_learning.errors import OptionError

__all__ = ["cache_programs", "let_go_of_programs"]

MAPS, LIMIT = Path("/proc/self/maps"), Path("/proc/sys/vm/max_map_count")
"""Where Linux says which memory maps the process holds, and how many it may; it ends a process that needs more."""

MOST = 0.5
"""Share of that limit above which compiled programs are let go, each of which holds some hundred maps."""


def let_go_of_programs() -> bool:
    """Forget compiled programs where this process holds so many that new ones would end it; say whether it was so."""
    if not (MAPS.exists() and LIMIT.exists()):
        return False
    full = MAPS.read_bytes().count(b"\n") > MOST * int(LIMIT.read_text())
    if full:
        jax.clear_caches()
    return full


def cache_programs(folder: str | Path | None = None) -> Path:
    """Keep compiled programs in a folder, so that later processes load what an earlier one compiled.

    It holds for the rest of the process, for all that JAX compiles in it. Programs of other versions of JAX are not
    mistaken for each other; machines with other processors had better have folders of their own. A folder may be
    deleted at any time.

    Parameters
    ----------
    folder : by default ``behavior_learning`` in the user's folder of caches.

    Returns
    -------
    The folder, which is made where it is missing.

    Raises
    ------
    OptionError
        If the folder cannot be made or written to.

    Examples
    --------
    >>> import tempfile
    >>> import behavior_learning as bl
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     folder = bl.cache_programs(f"{parent}/programs")
    >>> folder.name
    'programs'
    """
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "behavior_learning"
    if folder is not None and (not isinstance(folder, (str, Path)) or not str(folder)):
        raise OptionError(f"folder must be the path of a folder, or None; got {folder!r}.")
    try:
        chosen = (default if folder is None else Path(folder)).expanduser().absolute()
        chosen.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise OptionError(
            f"The cache needs a folder that can be written to; {folder}: {error}. Name another."
        ) from error
    if not os.access(chosen, os.W_OK):
        raise OptionError(f"The cache needs a folder that can be written to; {chosen} cannot be. Name another.")
    jax.config.update("jax_compilation_cache_dir", str(chosen))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    compilation_cache.reset_cache()  # A process that has compiled before would go on without one.
    return chosen
