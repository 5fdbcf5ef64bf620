"""Options that carry parameters, and checks: each error states the rule, the value received and the valid values."""

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, fields, replace
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
from numpy.random import RandomState

from behavior_learning.errors import OptionError

__all__ = [
    "Option",
    "as_seed",
    "built",
    "check_choice",
    "check_count",
    "check_number",
    "check_option",
    "check_returned",
    "check_seed",
    "check_sequence",
    "checked_parameter",
    "checked_parameters",
    "from_plain",
    "is_number",
    "learned",
    "parameter",
    "register",
    "to_plain",
]


def is_number(value: Any, kind: type = Real) -> bool:
    """Whether a value is a number of a kind; booleans are none."""
    return isinstance(value, kind) and not isinstance(value, bool)


def check_choice(name: str, value: Any, valid: Sequence[Any]) -> Any:
    """Return `value` if it is one of the valid ones."""
    if isinstance(value, (str, type(None), bool)) and value in valid:
        return value
    raise OptionError(f"{name} must be one of {', '.join(map(repr, valid))}; got {value!r}.")


def check_number(
    name: str, value: Any, *, above: float = 0.0, inclusive: bool = False, below: float = float("inf")
) -> float:
    """Return `value` as a float if it lies in the stated range."""
    number = float(value) if is_number(value) else float("nan")
    if (above <= number if inclusive else above < number) and number < below:
        return number
    bound = "" if below == float("inf") else f" and below {below:g}"
    raise OptionError(
        f"{name} must be a number {'at least' if inclusive else 'above'} {above:g}{bound}; got {value!r}."
    )


def check_count(name: str, value: Any, *, minimum: int = 1) -> int:
    """Return `value` as an int if it is a whole number of at least `minimum`."""
    if is_number(value, Integral) and int(value) >= minimum:
        return int(value)
    raise OptionError(f"{name} must be a whole number of at least {minimum}; got {value!r}.")


def as_seed(value: Any) -> Any:
    """What scikit-learn takes for a seed: also for a new generator of NumPy, and for whole numbers of any size.

    Raises
    ------
    OptionError
        If it is neither a whole number, nor a generator, nor None.
    """
    if isinstance(value, np.random.Generator):
        return RandomState(np.random.MT19937(value.integers(2**32, size=4).tolist()))
    if is_number(value, Integral) and not 0 <= int(value) < 2**32:
        return RandomState(np.random.MT19937([abs(int(value)), int(value < 0)]))
    if not (value is None or value is np.random or is_number(value, Integral) or isinstance(value, RandomState)):
        raise OptionError(f"random_state must be a whole number, a generator of NumPy or None; got {value!r}.")
    return value


def check_seed(name: str, value: Any) -> int:
    """Return `value` as an int if it is a seed that NumPy takes."""
    if is_number(value, Integral) and 0 <= int(value) < 2**32:
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
    ``response__upper`` work. Fields that are learned from data are no parameters; `learned` makes them. `parameter`
    makes one that says how it is checked.
    """

    known: ClassVar[dict[str, type["Option"]]] = {}
    """Every option by the name of its class, for files."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        Option.known[cls.__name__] = cls

    def __repr__(self) -> str:
        own = {part: getattr(self, part.name) for part in fields(cast(Any, self)) if _stated(part)}
        stated = (f"{part.name}={value!r}" for part, value in own.items() if repr(value) != repr(part.default))
        return f"{type(self).__name__}({', '.join(stated)})"

    @classmethod
    def spelling(cls) -> str:
        """How users write it."""
        return f"bl.{cls.__name__}" if cls.__module__.startswith("behavior_learning.") else cls.__name__

    def checked(self) -> Self:
        """The same option with every parameter checked.

        Raises
        ------
        OptionError
            If one is invalid; the message names the parameter and the option.
        """
        return replace(cast(Any, self), **checked_parameters(self, f" of {self.spelling()}"))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name; `deep` adds those of options among them, as ``option__parameter``."""
        own = {part.name: getattr(self, part.name) for part in fields(cast(Any, self)) if _stated(part)}
        options = {name: value for name, value in own.items() if deep and isinstance(value, Option)}
        return own | {f"{name}__{k}": v for name, option in options.items() for k, v in option.get_params().items()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, in place.

        Raises
        ------
        OptionError
            If there is no such parameter.
        """
        for name, value in self.with_params(**params).get_params(deep=False).items():
            object.__setattr__(self, name, value)
        return self

    def with_params(self, **params: Any) -> Self:
        """The same option with other parameters by name, ``option__parameter`` for those of an option among them.

        Raises
        ------
        OptionError
            If there is no such parameter.
        """
        other = self
        for path, value in params.items():
            name, _, inner = path.partition("__")
            valid = self.get_params(deep=False)
            if name not in valid or (inner and not isinstance(valid[name], Option)):
                known = ", ".join(self.get_params()) or "none"
                raise OptionError(f"{self.spelling()} has no parameter {path!r}. Its parameters: {known}.")
            new = getattr(other, name).with_params(**{inner: value}) if inner else value
            other = replace(cast(Any, other), **{name: new})
        return other


def _stated(part: Any) -> bool:
    """Whether a field of a dataclass is a parameter."""
    return part.init and not part.metadata.get("learned")


def learned(default: Any) -> Any:
    """A field of an `Option` that data fill in."""
    return field(default=default, repr=False, kw_only=True, metadata={"learned": True})


def parameter(default: Any, check: Callable[..., Any], *, static: bool = False, **how: Any) -> Any:
    """A field of an option or estimator with the check of its values.

    Parameters
    ----------
    check : called as ``check(name, value, **how)``; returns the value to go on with.
    static : whether a compiled program depends on it.
    """
    return field(default=default, metadata={"check": check, "how": how, "static": static})


def checked_parameters(owner: Any, of: str = "") -> dict[str, Any]:
    """Every parameter of a dataclass by name, as its check returns it.

    Parameters
    ----------
    of : what messages put behind the name of a parameter.

    Raises
    ------
    OptionError
        If one is invalid.
    """
    return {part.name: checked_parameter(owner, part.name, of) for part in fields(owner) if _stated(part)}


def checked_parameter(owner: Any, name: str, of: str = "") -> Any:
    """One parameter of a dataclass, as its check returns it."""
    about, value = type(owner).__dataclass_fields__[name].metadata, getattr(owner, name)
    return about["check"](f"{name}{of}", value, **about["how"]) if "check" in about else value


def check_option(name: str, value: Any, kinds: Mapping[str, type[Option]]) -> Any:
    """Return an option of one of the kinds, or the one with this short name, with its own parameters checked."""
    option = kinds[value]() if isinstance(value, str) and value in kinds else value
    if isinstance(option, tuple(kinds.values())):
        return option.checked()
    options = ", ".join(dict.fromkeys(f"{kind.spelling()}()" for kind in kinds.values()))
    raise OptionError(f"{name} must be one of {', '.join(map(repr, kinds))}, or one of {options}; got {value!r}.")


def register(kinds: dict[str, Any], kind: Any) -> None:
    """Add a kind of option by its `short_name`.

    Raises
    ------
    OptionError
        If the name is taken.
    """
    name = kind.short_name
    if kinds.get(name, kind) is not kind:
        raise OptionError(f"{name!r} is taken by {kinds[name].__name__}: a short name is registered once. Rename it.")
    kinds[name] = kind


def check_returned(name: str, value: Any, kind: type) -> None:
    """Refuse what is neither None nor what the method of that name returned."""
    if value is not None and not isinstance(value, kind):
        raise OptionError(
            f"{name} must be what model.{name}(...) returned; got {type(value).__name__}. "
            "Run it first and pass the results."
        )


def to_plain(value: Any) -> Any:
    """An option, or a collection of options, numbers and texts, as values of JSON."""
    match value:
        case Option():
            return {"option": type(value).__name__, **to_plain(value.get_params(deep=False))}
        case Mapping():
            return {name: to_plain(part) for name, part in value.items()}
        case list() | tuple() | np.ndarray():
            return [to_plain(part) for part in value]
        case np.generic():
            return value.item()
        case _:
            return value


def from_plain(value: Any) -> Any:
    """Read what `to_plain` wrote; lists come back as tuples."""
    match value:
        case {"option": name, **parts}:
            return Option.known[name](**from_plain(parts))
        case dict():
            return {name: from_plain(part) for name, part in value.items()}
        case list():
            return tuple(map(from_plain, value))
        case _:
            return value


def built(kind: Any, state: Mapping[str, Any]) -> Any:
    """A dataclass or named tuple from plain values, each of the type that its field declares.

    Raises
    ------
    ValueError
        If a field is unknown, or a value of another type.
    """
    hints = get_type_hints(kind)
    for name, value in state.items():
        if name not in hints or not _fits(value, hints[name]):
            raise ValueError(f"{kind.__name__} has no {name} like {repr(value)[:40]}")
    return kind(**state)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a plain value is of a declared type; NaN is no number here, and true and false are none."""
    origin, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    if origin is tuple and parts[-1:] == (Ellipsis,):
        return isinstance(value, tuple) and all(_fits(entry, parts[0]) for entry in value)
    if origin is tuple:
        return isinstance(value, tuple) and len(value) == len(parts) and all(map(_fits, value, parts))
    if origin is list:
        return isinstance(value, (list, tuple)) and all(_fits(entry, parts[0]) for entry in value)
    if hint is float:
        return type(value) in (int, float) and value == value
    return type(value) is hint if isinstance(hint, type) else origin is not None
