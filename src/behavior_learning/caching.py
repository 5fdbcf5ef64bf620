"""Compiled programs on disk, for processes that come later."""

import os
import platform
from collections.abc import Callable
from contextlib import suppress
from functools import cache, wraps
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import equinox as eqx
import jax
from jax.experimental.compilation_cache import compilation_cache

from behavior_learning.errors import OptionError

__all__ = ["cache_programs", "keep_programs", "let_go_of_programs", "quickly"]

Of = TypeVar("Of", bound=Callable[..., Any])

SWITCH = "BEHAVIOR_LEARNING_CACHE"
"""Environment variable that is ``off`` where compiled programs are to be kept on request only."""

WORTHWHILE, BOUND = 0.1, 2**29
"""Seconds of compilation from which a program is kept unasked, and bytes of all of them; the least used go first."""

PROCESSOR = Path("/proc/cpuinfo")
"""Where Linux says what the processor can do."""

MAPS, LIMIT = Path("/proc/self/maps"), Path("/proc/sys/vm/max_map_count")
"""Where Linux says which memory maps the process holds, and how many it may; it ends a process that needs more."""

MOST = 0.5
"""Share of that limit above which compiled programs are let go, each of which holds some hundred maps."""


@cache
def _quick_options(level: int) -> dict[str, bool | int]:
    """Options by which a program compiles in less time and runs for longer.

    Empty where this version of XLA does not know them.
    """
    options: dict[str, bool | int] = {"xla_backend_optimization_level": level, "xla_cpu_use_fusion_emitters": False}
    try:
        jax.jit(abs, compiler_options=options).lower(0).compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return options


def quickly(*, level: int = 0) -> Callable[[Of], Of]:
    """Compile a function with few optimizations: one that runs a few times only, or at level 1 some hundred times.

    At level 0 a program compiles in a quarter of the time and runs for several times as long, at level 1 in half and up
    to half as long again. Level 3 only leaves out that loops are fused, of which programs of few numbers have no gain.
    """

    def decorate(function: Of) -> Of:
        @cache
        def program() -> Any:
            return cast(Any, eqx.filter_jit)(function, compiler_options=_quick_options(level))

        @wraps(function)
        def run(*arguments: Any) -> Any:
            return program()(*arguments)

        return cast(Of, run)

    return decorate


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

    Fits do so by themselves, with programs that take 0.1 s to compile, 512 MB at most, in the user's folder of caches;
    the environment variable ``BEHAVIOR_LEARNING_CACHE=off`` prevents it. Here every program is kept, without a bound,
    for the rest of the process and for all that JAX compiles in it. Programs of other versions of JAX are not mistaken
    for each other; machines with other processors had better have folders of their own. A folder may be deleted at
    any time.

    Parameters
    ----------
    folder : by default one for this kind of processor below ``behavior_learning`` in the user's folder of caches.

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
    if folder is not None and (not isinstance(folder, (str, Path)) or not str(folder)):
        raise OptionError(f"folder must be the path of a folder, or None; got {folder!r}.")
    return _kept_in(folder, worthwhile=0.0, bound=-1)


def keep_programs() -> None:
    """Keep compiled programs in the user's folder of caches, so that cold starts compile what is new only.

    Nothing changes where JAX has been told of a folder, where the environment variable ``BEHAVIOR_LEARNING_CACHE`` is
    ``off``, or where the folder cannot be written to. Processes side by side may share it.
    """
    told = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    if told is None and os.environ.get(SWITCH, "").lower() != "off":
        with suppress(OptionError):
            _kept_in(None, worthwhile=WORTHWHILE, bound=BOUND)


def _kept_in(folder: str | Path | None, *, worthwhile: float, bound: int) -> Path:
    try:
        chosen = (_users_folder() if folder is None else Path(folder)).expanduser().absolute()
        chosen.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise OptionError(
            f"The cache needs a folder that can be written to; {folder}: {error}. Name another."
        ) from error
    if not os.access(chosen, os.W_OK):
        raise OptionError(f"The cache needs a folder that can be written to; {chosen} cannot be. Name another.")
    jax.config.update("jax_compilation_cache_dir", str(chosen))
    jax.config.update("jax_compilation_cache_max_size", bound)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", worthwhile)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    compilation_cache.reset_cache()  # A process that has compiled before would go on without one.
    return chosen


def _users_folder() -> Path:
    """A folder for each kind of processor: what one compiles may crash another that shares the user's files."""
    told = PROCESSOR.read_text(encoding="utf-8") if PROCESSOR.exists() else platform.processor()
    abilities = {line for line in told.splitlines() if line.startswith(("flags", "Features", "model name"))}
    kind = sha256(" ".join(sorted(abilities) or [told]).encode()).hexdigest()[:12]
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "behavior_learning" / kind
