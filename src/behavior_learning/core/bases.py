"""m(z): the terms a row of a block is linear in, each a function of x times a function of y.

Source: A.2 (fixed bases m_u, m_c, m_t) and A.3.2 (monomials up to a total degree; affine maps in stacks).
The split p(x, y) = Σ_β c_β(x)·b_β(y) keeps everything that depends on x alone at one evaluation per row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

__all__ = ["Basis", "Monomials", "Pairing", "Terms", "affine_basis", "polynomial_basis"]

ONE = -1
"""Index of the constant function 1 in a pairing."""


class Monomials(eqx.Module):
    """Products of columns: ``((0,), (2, 2))`` gives z₀ and z₂².

    Attributes
    ----------
    columns : for each monomial its column indices, sorted, repeated as often as its power.
    """

    columns: tuple[tuple[int, ...], ...] = eqx.field(static=True)

    def __call__(self, z: Float[Array, "*batch columns"]) -> Float[Array, "*batch terms"]:
        if self.columns == tuple((j,) for j in range(z.shape[-1])):
            return z
        factors = [self._factor(z, position) for position in range(self.degree)]
        return jnp.prod(jnp.stack(factors), axis=0) if factors else jnp.zeros((*z.shape[:-1], 0), z.dtype)

    def _factor(self, z: Float[Array, "*batch columns"], position: int) -> Float[Array, "*batch terms"]:
        present = np.array([position < len(m) for m in self.columns], dtype=bool)
        column = np.array([m[position] if position < len(m) else 0 for m in self.columns], dtype=int)
        return jnp.where(present, z[..., column], 1.0)

    @property
    def degree(self) -> int:
        return max(map(len, self.columns), default=0)

    @property
    def degrees(self) -> tuple[int, ...]:
        return tuple(map(len, self.columns))

    def names(self, columns: Sequence[str]) -> list[str]:
        """Spell each monomial with the names of its columns: ``RM*LSTAT``, ``RM^2``."""
        return [_spell(monomial, columns) for monomial in self.columns]


def _spell(monomial: tuple[int, ...], columns: Sequence[str]) -> str:
    powers = {j: monomial.count(j) for j in monomial}
    return "*".join(columns[j] if power == 1 else f"{columns[j]}^{power}" for j, power in powers.items())


@dataclass(frozen=True)
class Pairing:
    """Which function of x meets which function of y in each term; `ONE` stands for the constant 1.

    Terms are ordered x-only, y-only, joint, so that each part is one slice of the coefficients.
    """

    pairs: tuple[tuple[int, int], ...]

    def __post_init__(self):
        if list(self.pairs) != sorted(self.pairs, key=self._part):
            raise ValueError("Terms must be ordered x-only, y-only, joint.")

    @staticmethod
    def _part(pair: tuple[int, int]) -> int:
        return 0 if pair[1] == ONE else 1 if pair[0] == ONE else 2

    def __len__(self) -> int:
        return len(self.pairs)

    @cached_property
    def sizes(self) -> tuple[int, int, int]:
        parts = [self._part(pair) for pair in self.pairs]
        return parts.count(0), parts.count(1), parts.count(2)

    @cached_property
    def x_only(self) -> tuple[int, ...]:
        return tuple(i for i, j in self.pairs if j == ONE)

    @cached_property
    def y_only(self) -> tuple[int, ...]:
        return tuple(j for i, j in self.pairs if i == ONE)

    @cached_property
    def joint(self) -> dict[int, list[int]]:
        """For each function of y, the positions among the joint terms in which it appears."""
        joint = self.pairs[self.sizes[0] + self.sizes[1] :]
        return {j: [t for t, pair in enumerate(joint) if pair[1] == j] for j in dict.fromkeys(j for _, j in joint)}

    @cached_property
    def joint_x(self) -> np.ndarray:
        return np.array([i for i, _ in self.pairs[self.sizes[0] + self.sizes[1] :]], dtype=int)


class Terms(eqx.Module):
    """m(z) for n rows and k candidates, held as values of its x-functions and y-functions.

    Attributes
    ----------
    x : values of the functions of x, once per row.
    y : values of the functions of y; the row axis has length 1 where all rows share their candidates.
    """

    x: Float[Array, "n x_functions"]
    y: Float[Array, "#n k y_functions"]
    pairing: Pairing = eqx.field(static=True)

    def dot(self, coef: Float[Array, "rows terms"]) -> Float[Array, "#n #k rows"]:
        """Σ_β c_β(x)·b_β(y) with c_β(x) = M_β m_β(x): the linear map M m(z) without repeating x per candidate."""
        x_coef, y_coef, joint_coef = jnp.split(coef, np.cumsum(self.pairing.sizes[:2]), axis=1)
        total = (_take(self.x, self.pairing.x_only) @ x_coef.T)[:, None, :]
        if self.pairing.y_only:
            total = total + _take(self.y, self.pairing.y_only) @ y_coef.T
        if self.pairing.joint:
            total = total + self._joint(joint_coef)
        return total

    def _joint(self, coef: Float[Array, "rows joint"]) -> Float[Array, "n k rows"]:
        pairing = self.pairing
        c = jnp.stack(
            [self.x[:, pairing.joint_x[terms]] @ coef[:, np.array(terms)].T for terms in pairing.joint.values()],
            axis=1,
        )
        b = self.y[..., np.array(list(pairing.joint))]
        return jnp.matmul(b, c)


def _take(values: Float[Array, "*batch functions"], index: tuple[int, ...]) -> Float[Array, "*batch taken"]:
    return values if index == tuple(range(values.shape[-1])) else values[..., np.array(index, dtype=int)]


class Basis(eqx.Module):
    """The terms of a block's rows: functions of x, functions of y, and how they pair.

    Attributes
    ----------
    x_map, y_map : turn x and y into values of their functions.
    pairing : one pair of functions per term.
    """

    x_map: Monomials
    y_map: Monomials
    pairing: Pairing = eqx.field(static=True)

    def __call__(self, x: Float[Array, "n d"], y: Float[Array, "#n k m"]) -> Terms:
        return Terms(self.x_map(x), self.y_map(y), self.pairing)

    @property
    def size(self) -> int:
        return len(self.pairing)

    @property
    def degrees(self) -> tuple[int, ...]:
        """Total degree of each term over (x, y)."""
        x, y = self.x_map.degrees, self.y_map.degrees
        return tuple((x[i] if i != ONE else 0) + (y[j] if j != ONE else 0) for i, j in self.pairing.pairs)

    def names(self, x_names: Sequence[str], y_names: Sequence[str]) -> list[str]:
        """Name each term from the columns it multiplies, such as ``RM*MEDV``."""
        x, y = self.x_map.names(x_names), self.y_map.names(y_names)
        factors = [[x[i]] * (i != ONE) + [y[j]] * (j != ONE) for i, j in self.pairing.pairs]
        return ["*".join(names) for names in factors]


def affine_basis(d: int, m: int) -> Basis:
    """[x; y]: the affine maps of BL(Shallow) and BL(Deep) (A.3.2); the intercept is kept beside the basis."""
    return polynomial_basis(d, m, degree=1)


def polynomial_basis(d: int, m: int, *, degree: int, one_hot: bool = False) -> Basis:
    """All monomials of (x, y) with total degree between 1 and `degree` (A.3.2).

    Deviation: where y is one-hot, y_j² = y_j and y_j·y_k = 0 hold at every candidate, so those monomials add
    nothing to the function and are left out.
    """
    x_map = Monomials(_monomials(d, degree))
    y_map = Monomials(_monomials(m, 1 if one_hot else degree))
    x_only = [(i, ONE) for i in range(len(x_map.columns))]
    y_only = [(ONE, j) for j in range(len(y_map.columns))]
    joint = [
        (i, j)
        for j, power in enumerate(y_map.degrees)
        for i, rest in enumerate(x_map.degrees)
        if rest + power <= degree
    ]
    return Basis(x_map, y_map, Pairing(tuple(x_only + y_only + joint)))


def _monomials(columns: int, degree: int) -> tuple[tuple[int, ...], ...]:
    return tuple(m for power in range(1, degree + 1) for m in combinations_with_replacement(range(columns), power))
