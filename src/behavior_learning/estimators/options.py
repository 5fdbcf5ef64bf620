"""Checks of options that estimators alone have."""

from collections.abc import Sequence
from typing import Any

from behavior_learning.errors import OptionError

__all__ = ["check_returned", "checked_supports"]


def check_returned(name: str, value: Any, kind: type) -> None:
    """Refuse what is neither None nor what the method of that name returned."""
    if value is not None and not isinstance(value, kind):
        raise OptionError(
            f"{name} must be what model.{name}(...) returned; got {type(value).__name__}. "
            "Run it first and pass the results."
        )


def checked_supports(support: Any, names: Sequence[str]) -> dict[str, tuple[float, float] | None]:
    """The stated support of every response, None where it has none: one pair, or a dictionary of pairs by name."""
    stated = support if isinstance(support, dict) else dict.fromkeys(names[:1] if len(names) == 1 else (), support)
    if support is not None and not isinstance(support, dict) and len(names) > 1:
        raise OptionError(f"support of several responses must be a dictionary by name; got {support!r}.")
    unknown = [name for name in stated if name not in names]
    if unknown:
        raise OptionError(
            f"support names {unknown[0]!r}, which is no continuous response. Those are: {', '.join(names)}."
        )
    return {name: None if stated.get(name) is None else _interval(stated[name]) for name in names}


def _interval(support: Any) -> tuple[float, float]:
    try:
        lower, upper = map(float, support)
    except (TypeError, ValueError):
        lower, upper = float("nan"), float("nan")
    if not -float("inf") < lower < upper < float("inf"):
        raise OptionError(f"support must be two finite numbers (lower, upper) in order; got {support!r}.")
    return lower, upper
