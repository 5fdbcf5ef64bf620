"""Checks of options: each error states the rule, the value received and the valid values."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

from behavior_learning.errors import OptionError

__all__ = ["check_choice", "check_count", "check_number", "check_seed", "check_sequence"]


def check_choice(name: str, value: Any, valid: Sequence[Any]) -> Any:
    """Return `value` if it is one of the valid ones."""
    if isinstance(value, (str, type(None), bool)) and value in valid:
        return value
    raise OptionError(f"{name} must be one of {', '.join(map(repr, valid))}; got {value!r}.")


def check_number(
    name: str, value: Any, *, above: float = 0.0, inclusive: bool = False, below: float = float("inf")
) -> float:
    """Return `value` as a float if it lies in the stated range."""
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else float("nan")
    if (above <= number if inclusive else above < number) and number < below:
        return number
    bound = "" if below == float("inf") else f" and below {below:g}"
    raise OptionError(
        f"{name} must be a number {'at least' if inclusive else 'above'} {above:g}{bound}; got {value!r}."
    )


def check_count(name: str, value: Any, *, minimum: int = 1) -> int:
    """Return `value` as an int if it is a whole number of at least `minimum`."""
    if isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= minimum:
        return int(value)
    raise OptionError(f"{name} must be a whole number of at least {minimum}; got {value!r}.")


def check_seed(name: str, value: Any) -> int:
    """Return `value` as an int if it is a seed that NumPy takes."""
    if isinstance(value, Integral) and not isinstance(value, bool) and 0 <= int(value) < 2**32:
        return int(value)
    raise OptionError(f"{name} must be a whole number from 0 to {2**32 - 1}; got {value!r}.")


def check_sequence(name: str, value: Any, example: str) -> tuple[Any, ...]:
    """Return a list or tuple as a tuple."""
    if isinstance(value, (list, tuple)):
        return tuple(value)
    raise OptionError(f"{name} must be a list or tuple such as {example}; got {value!r}.")
