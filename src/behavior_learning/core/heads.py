"""φ, ρ and ψ: the functions that turn a row of a block into utility or penalty, one class each.

A head that is defined elsewhere takes part like those here once `register_head` knows it.

Source: Eq. 7 (tanh, relu, abs), Eq. 10 (tanh, softplus, square), A.3.1 (identity, Huber, softplus).
"""

import re
from dataclasses import MISSING, dataclass, fields
from math import inf
from typing import ClassVar, Literal, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from behavior_learning.errors import OptionError
from behavior_learning.options import Option, check_number

__all__ = [
    "ROLES",
    "Abs",
    "Head",
    "Huber",
    "Identity",
    "Relu",
    "SmoothAbs",
    "Softplus",
    "Square",
    "Tanh",
    "get_head",
    "register_head",
    "registered_heads",
    "softplus",
]

ROLES = {"utility": 1, "inequality": -1, "equality": -1}
"""The three heads of a block and the sign with which each enters it (Eq. 4)."""


@dataclass(frozen=True)
class Head(Option):
    """One elementwise head function; a subclass is frozen and has its parameters, positive numbers, as fields.

    Attributes
    ----------
    family : the spelling that selects it; parameters follow in brackets, as in ``"softplus(5)"``.
    role : ``"utility"`` (increasing φ), ``"inequality"`` (one-sided ρ) or ``"equality"`` (symmetric ψ).
    form : the function of t and the parameters in SymPy's syntax; text, LaTeX, MathML and source code follow from it.
    parity : ``"odd"`` where f(−t) = −f(t), ``"even"`` where f(−t) = f(t).
    degree : of homogeneity: f(s·t) = s^degree·f(t) for s > 0; 0 where there is none.
    flippable : whether f(t) = t + f(−t).
    smoothness : how often f is continuously differentiable.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> [head.parity for head in (bl.Tanh(), bl.Softplus(5), bl.Square())]
    ['odd', None, 'even']
    """

    family: ClassVar[str]
    role: ClassVar[str]
    form: ClassVar[str]
    parity: ClassVar[Literal["odd", "even"] | None] = None
    degree: ClassVar[int] = 0
    flippable: ClassVar[bool] = False
    smoothness: ClassVar[float] = inf

    def __post_init__(self):
        for name, value in self.parameters.items():
            object.__setattr__(self, name, check_number(f"{name} of the head {self.family}", value))

    def __str__(self) -> str:
        return self.name

    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        raise NotImplementedError

    @property
    def parameters(self) -> dict[str, float]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def name(self) -> str:
        """The shortest spelling that selects it."""
        if all(field.default == self.parameters[field.name] for field in fields(self)):
            return self.family
        numbers = (repr(value).removesuffix(".0") for value in self.parameters.values())
        return f"{self.family}({', '.join(numbers)})"

    @classmethod
    def n_required(cls) -> int:
        """How many parameters have no default."""
        return sum(field.default is MISSING for field in fields(cls))

    @classmethod
    def spellings(cls) -> list[str]:
        """How it is written, without parameters where all have defaults, and with them."""
        names = [field.name for field in fields(cls)]
        return [cls.family] * (not cls.n_required()) + [f"{cls.family}({', '.join(names)})"] * bool(names)

    @property
    def smooth(self) -> bool:
        """Whether the function is continuously differentiable."""
        return self.smoothness >= 1

    @property
    def width(self) -> float:
        """The scale over which a smooth version rounds its kink; 0 where there is none."""
        return 0.0

    def smoothed(self, times: int = 1) -> "Head":
        """This head where it is continuously differentiable so often, and otherwise what stands for it."""
        return self if self.smoothness >= times else self.smooth_version

    @property
    def smooth_version(self) -> "Head":
        """A head close to this one that has every derivative."""
        return self


@jax.custom_jvp
def softplus(t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """log(1 + exp(t)), as `jax.nn.softplus`, whose derivatives each take exponentials of their own."""
    return jnp.maximum(t, 0) + jnp.log1p(jnp.exp(-jnp.abs(t)))


@softplus.defjvp
def _(at: tuple[Array], along: tuple[Array]) -> tuple[Array, Array]:
    return softplus(*at), jax.nn.sigmoid(*at) * along[0]


Registered = TypeVar("Registered", bound=type[Head])

_HEADS: dict[str, type[Head]] = {}


def register_head(head: Registered) -> Registered:
    """Make a class of heads known by its family, as a decorator.

    Raises
    ------
    OptionError
        If its family is no name or belongs to another class, or its role is none of the three.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> from dataclasses import dataclass
    >>> import jax.numpy as jnp
    >>> @bl.register_head
    ... @dataclass(frozen=True)
    ... class Softsign(bl.Head):
    ...     family, role, form, parity = "softsign", "utility", "t/sqrt(1 + t**2)", "odd"
    ...     def __call__(self, t):
    ...         return t / jnp.sqrt(1 + t**2)
    >>> bl.Architecture(heads=("softsign", "relu", "abs")).heads
    ('softsign', 'relu', 'abs')
    """
    if not head.family.isidentifier() or head.role not in ROLES:
        raise OptionError(
            f"A head needs a family that is a name and a role among {', '.join(ROLES)}; "
            f"{head.__name__} has {head.family!r} and {head.role!r}."
        )
    if head.family in _HEADS:
        taken = _HEADS[head.family]
        raise OptionError(
            f"Every head has a family of its own; {head.family!r} is already that of {taken.__module__}."
            f"{taken.__qualname__}. Give {head.__name__} another family."
        )
    _HEADS[head.family] = head
    return head


def registered_heads(role: str) -> tuple[type[Head], ...]:
    """Every class of heads of a role."""
    return tuple(head for head in _HEADS.values() if head.role == role)


@register_head
@dataclass(frozen=True)
class Tanh(Head):
    """tanh(t): what is wanted saturates.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> float(bl.Tanh()(0.0))
    0.0
    """

    family, role, form = "tanh", "utility", "tanh(t)"
    parity = "odd"

    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jnp.tanh(t)


@register_head
@dataclass(frozen=True)
class Identity(Head):
    """t itself.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> float(bl.Identity()(1.5))
    1.5
    """

    family, role, form = "identity", "utility", "t"
    parity, degree = "odd", 1

    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return t


@register_head
@dataclass(frozen=True)
class Relu(Head):
    """max(0, t): an exact penalty.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> float(bl.Relu()(-2.0))
    0.0
    """

    family, role, form = "relu", "inequality", "Max(0, t)"
    degree, flippable, smoothness = 1, True, 0

    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jax.nn.relu(t)

    @property
    def smooth_version(self) -> Head:
        return Softplus(5.0)


@register_head
@dataclass(frozen=True)
class Softplus(Head):
    """log(1 + exp(βt))/β, which tends to relu as β grows.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.Softplus(beta=5).name
    'softplus(5)'
    """

    family, role, form = "softplus", "inequality", "log(1 + exp(beta*t))/beta"
    flippable = True

    beta: float = 1.0

    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return softplus(t) if self.beta == 1 else softplus(self.beta * t) / self.beta

    @property
    def width(self) -> float:
        return 1 / self.beta


@register_head
@dataclass(frozen=True)
class Abs(Head):
    """|t|: an exact penalty.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> float(bl.Abs()(-2.0))
    2.0
    """

    family, role, form = "abs", "equality", "Abs(t)"
    parity, degree, smoothness = "even", 1, 0

    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jnp.abs(t)

    @property
    def smooth_version(self) -> Head:
        return SmoothAbs(0.2)


@register_head
@dataclass(frozen=True)
class Square(Head):
    """t².

    Examples
    --------
    >>> import behavior_learning as bl
    >>> float(bl.Square()(-2.0))
    4.0
    """

    family, role, form = "square", "equality", "t**2"
    parity, degree = "even", 2

    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jnp.square(t)


@register_head
@dataclass(frozen=True)
class Huber(Head):
    """t²/2 where |t| ≤ δ, and δ(|t| − δ/2) beyond.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> float(bl.Huber(0.5)(2.0))
    0.875
    """

    family, role = "huber", "equality"
    form = "Piecewise((t**2/2, Abs(t) <= delta), (delta*(Abs(t) - delta/2), True))"
    parity, smoothness = "even", 1

    delta: float

    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jnp.where(jnp.abs(t) <= self.delta, 0.5 * t**2, self.delta * (jnp.abs(t) - 0.5 * self.delta))

    @property
    def width(self) -> float:
        return self.delta

    @property
    def smooth_version(self) -> Head:
        return SmoothAbs(self.delta)


@register_head
@dataclass(frozen=True)
class SmoothAbs(Head):
    """√(t² + δ²) − δ, which tends to |t| as δ shrinks and is zero at zero.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> float(bl.SmoothAbs(0.2)(0.0))
    0.0
    """

    family, role, form = "smooth_abs", "equality", "sqrt(t**2 + delta**2) - delta"
    parity = "even"

    delta: float

    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jnp.sqrt(t**2 + self.delta**2) - self.delta

    @property
    def width(self) -> float:
        return self.delta


def get_head(role: str, name: str | Head) -> Head:
    """Return the head that `name` spells, such as ``"relu"``, ``"softplus(5)"`` or ``"huber(0.5)"``, or is.

    Raises
    ------
    OptionError
        If no head of that role has the name, or a parameter is not positive.
    """
    spelled = re.fullmatch(r"(\w+)(?:\(([^)]+)\))?", str(name))
    head = _HEADS.get(spelled[1]) if spelled else None
    given = [_number(text) for text in spelled[2].split(",")] if spelled and spelled[2] else []
    if head is None or head.role != role or None in given or not head.n_required() <= len(given) <= len(fields(head)):
        known = (spelling for head in registered_heads(role) for spelling in head.spellings())
        raise OptionError(
            f"The {role} head must be one of {', '.join(known)} (a positive number in the brackets) "
            f"or None; got {name!r}."
        )
    return head(*given)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
