"""φ, ρ and ψ: the functions that turn a row of a block into utility or penalty.

Source: Eq. 7 (tanh, relu, abs), Eq. 10 (tanh, softplus, square), A.3.1 (identity, Huber, softplus).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from behavior_learning.errors import OptionError

__all__ = ["HEADS", "ROLES", "Head", "get_head"]

Elementwise = Callable[[Float[Array, "*shape"]], Float[Array, "*shape"]]

ROLES = {"utility": 1, "inequality": -1, "equality": -1}
"""The three heads of a block and the sign with which each enters it (Eq. 4)."""


@dataclass(frozen=True)
class Head:
    """One elementwise head function.

    Attributes
    ----------
    name : the spelling that selects it, such as ``"softplus(5)"``.
    role : ``"utility"`` (increasing φ), ``"inequality"`` (one-sided ρ) or ``"equality"`` (symmetric ψ).
    function : the array function.
    formula : plain text with ``{}`` where the argument goes.
    smooth : whether the function is continuously differentiable.
    width : the scale over which a smooth version rounds its kink; 0 where there is none.
    """

    name: str
    role: str
    function: Elementwise = field(compare=False)
    formula: str
    smooth: bool
    width: float = 0.0

    def __reduce__(self):
        """Pickle by name: functions do not survive it."""
        return get_head, (self.role, self.name)


def softplus(beta: float) -> Elementwise:
    """softplus_β(t) = log(1 + exp(βt)) / β, which tends to relu as β grows."""
    return lambda t: jax.nn.softplus(beta * t) / beta


def huber(delta: float) -> Elementwise:
    """huber_δ(t) = t²/2 where |t| ≤ δ, and δ(|t| − δ/2) beyond."""
    return lambda t: jnp.where(jnp.abs(t) <= delta, 0.5 * t**2, delta * (jnp.abs(t) - 0.5 * delta))


def smooth_abs(delta: float) -> Elementwise:
    """√(t² + δ²) − δ, which tends to |t| as δ shrinks and is zero at zero."""
    return lambda t: jnp.sqrt(t**2 + delta**2) - delta


def _written(number: float) -> str:
    """A number that reads back as itself."""
    return repr(number).removesuffix(".0")


@cache
def _plain(role: str) -> dict[str, Head]:
    plain = (
        Head("tanh", "utility", jnp.tanh, "tanh({})", smooth=True),
        Head("identity", "utility", lambda t: t, "{}", smooth=True),
        Head("relu", "inequality", jax.nn.relu, "max(0, {})", smooth=False),
        Head("softplus", "inequality", jax.nn.softplus, "log(1 + exp({}))", smooth=True, width=1.0),
        Head("abs", "equality", jnp.abs, "|{}|", smooth=False),
        Head("square", "equality", jnp.square, "({})^2", smooth=True),
    )
    return {head.name: head for head in plain if head.role == role}


_FAMILIES: dict[str, dict[str, Callable[[float], Head]]] = {
    "utility": {},
    "inequality": {
        "softplus": lambda beta: Head(
            f"softplus({_written(beta)})",
            "inequality",
            softplus(beta),
            f"log(1 + exp({_written(beta)}*({{}})))/{_written(beta)}",
            smooth=True,
            width=1 / beta,
        ),
    },
    "equality": {
        "huber": lambda delta: Head(
            f"huber({_written(delta)})",
            "equality",
            huber(delta),
            f"huber({{}}, {_written(delta)})",
            smooth=True,
            width=delta,
        ),
        "smooth_abs": lambda delta: Head(
            f"smooth_abs({_written(delta)})",
            "equality",
            smooth_abs(delta),
            f"(sqrt(({{}})^2 + {_written(delta**2)}) - {_written(delta)})",
            smooth=True,
            width=delta,
        ),
    },
}

_PARAMETERS = {"utility": {}, "inequality": {"softplus": "beta"}, "equality": {"huber": "delta", "smooth_abs": "delta"}}

HEADS = {
    role: tuple(_plain(role)) + tuple(f"{family}({parameter})" for family, parameter in _PARAMETERS[role].items())
    for role in ROLES
}
"""Every valid spelling of a head, by role."""


@cache
def get_head(role: str, name: str) -> Head:
    """Return the head that `name` spells, such as ``"relu"``, ``"softplus(5)"`` or ``"huber(0.5)"``.

    Raises
    ------
    OptionError
        If no head of that role has the name, or its parameter is not positive.
    """
    if not isinstance(name, str):
        raise _unknown(role, name)
    if name in _plain(role):
        return _plain(role)[name]
    spelled = re.fullmatch(r"(\w+)\(([^)]*)\)", name)
    family = _FAMILIES[role].get(spelled[1]) if spelled else None
    width = _positive(spelled[2]) if spelled else None
    if family is None or width is None:
        raise _unknown(role, name)
    return family(width)


def _unknown(role: str, name: object) -> OptionError:
    return OptionError(
        f"The {role} head must be one of {', '.join(HEADS[role])} (a positive number in the brackets) "
        f"or None; got {name!r}."
    )


def _positive(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None
