"""Options that carry parameters, and checks: each error states the rule, the value received and the valid values."""

from collections.abc import Mapping, Sequence
from dataclasses import field, fields
from numbers import Integral, Real
from typing import Any, ClassVar, Self, cast

import numpy as np

from behavior_learning.errors import OptionError

__all__ = [
    "Option",
    "check_choice",
    "check_count",
    "check_number",
    "check_returned",
    "check_seed",
    "check_sequence",
    "from_plain",
    "learned",
    "to_plain",
]


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


class Option:
    """A choice that carries its own parameters, such as ``bl.Counts(upper=20)``; a base of frozen dataclasses.

    It speaks scikit-learn's protocol of nested parameters, so that `clone`, `set_params` and grids over
    ``response__upper`` work. Fields that are learned from data are no parameters; `learned` makes them.
    """

    known: ClassVar[dict[str, type["Option"]]] = {}
    """Every option by the name of its class, for files."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        Option.known[cls.__name__] = cls

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name."""
        own = fields(cast(Any, self))
        return {part.name: getattr(self, part.name) for part in own if not part.metadata.get("learned")}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name.

        Raises
        ------
        OptionError
            If there is no such parameter.
        """
        valid = self.get_params()
        for name, value in params.items():
            if name not in valid:
                known = ", ".join(valid) or "none"
                raise OptionError(f"{type(self).__name__} has no parameter {name!r}. Its parameters: {known}.")
            object.__setattr__(self, name, value)
        return self


def learned(default: Any) -> Any:
    """A field of an `Option` that data fill in."""
    return field(default=default, repr=False, kw_only=True, metadata={"learned": True})


def check_returned(name: str, value: Any, kind: type) -> None:
    """Refuse what is neither None nor what the method of that name returned."""
    if value is not None and not isinstance(value, kind):
        raise OptionError(
            f"{name} must be what model.{name}(...) returned; got {type(value).__name__}. "
            "Run it first and pass the results."
        )


def to_plain(value: Any) -> Any:
    """An option, or a collection of options, numbers and texts, as values of JSON."""
    if isinstance(value, Option):
        return {"option": type(value).__name__, **{name: to_plain(part) for name, part in value.get_params().items()}}
    if isinstance(value, Mapping):
        return {name: to_plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [to_plain(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value


def from_plain(value: Any) -> Any:
    """Read what `to_plain` wrote; lists come back as tuples."""
    if isinstance(value, dict):
        parts = {name: from_plain(part) for name, part in value.items() if name != "option"}
        return Option.known[value["option"]](**parts) if "option" in value else parts
    return tuple(map(from_plain, value)) if isinstance(value, list) else value
