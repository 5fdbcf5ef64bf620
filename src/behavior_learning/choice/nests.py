"""Alternatives that resemble each other: nested logits of any tree, and cross-nested ones.

A node n holds alternatives or nodes c with shares α and a scale μ (1 at the root). I_c is the utility of an alternative
or the log-sum of a node, I_n = log(Σ_c exp μ_n(I_c + log α_nc))/μ_n, and P(c | n) = exp μ_n(I_c + log α_nc − I_n).
P of an alternative is the sum over the ways to it of the products along each.

Source: Daly and Bierlaire (2006), "A general and operational representation of Generalised Extreme Value models".
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from behavior_learning.choice.data import ChoiceData
from behavior_learning.choice.logit import Values
from behavior_learning.errors import DataError, OptionError

__all__ = ["Nest", "Nests"]

ABSENT = -1e200
"""Utility of an alternative that is not there: finite, so that differences are."""


@dataclass(frozen=True)
class Nest:
    """A node: what it holds, by position; alternatives first, then nodes, lower ones before higher ones.

    Attributes
    ----------
    children : positions of what it holds.
    shares : for each child the parameter that is its share α; −1 − parameter where it is 1 − α, None where it is 1.
    """

    name: str
    children: tuple[int, ...]
    shares: tuple[int | None, ...]

    def log_shares(self, estimated: Float[np.ndarray, " shares"]) -> list[float]:
        """log α of each child, given the shares that are parameters."""
        alphas = [1.0 if i is None else estimated[i] if i >= 0 else 1 - estimated[-1 - i] for i in self.shares]
        return np.log(alphas).tolist()


@dataclass(frozen=True)
class Nests:
    """A tree or network of nests above the alternatives.

    Attributes
    ----------
    nests : lower ones first; the last one is the root, whose scale is 1.
    shared : nest and alternative of each estimated share.
    """

    alternatives: tuple[str, ...]
    nests: tuple[Nest, ...]
    shared: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, nests: Mapping[str, Any], alternatives: Sequence[str]) -> "Nests":
        """Nests by name, each a list of alternatives or again a mapping of nests.

        An alternative in no nest stands alone; one that is in two nests is shared between them.

        Raises
        ------
        OptionError
            If a nest names no alternative, is named twice, or an alternative is in more than two.
        """
        reader = _Reader(tuple(alternatives))
        top = [reader.node(name, inside) for name, inside in nests.items()]
        alone = [i for i, name in enumerate(alternatives) if name not in reader.homes]
        for name, homes in reader.homes.items():
            if len(homes) > 2:
                raise OptionError(f"Alternative {name!r} is in {len(homes)} nests; at most two can share one.")
        reader.add("", (*alone, *top))
        shared = tuple((homes[0], name) for name, homes in reader.homes.items() if len(homes) == 2)
        built = tuple(Nest(name, children, reader.shares(name, children, shared)) for name, children in reader.built)
        return cls(tuple(alternatives), built, shared)

    @property
    def labels(self) -> tuple[str, ...]:
        """Scales, and then shares."""
        scales = (f"mu({nest.name})" for nest in self.nests[:-1])
        return (*scales, *(f"alpha({nest}, {name})" for nest, name in self.shared))

    @property
    def start(self) -> Float[np.ndarray, " q"]:
        return np.concatenate([np.full(len(self.nests) - 1, 1.2), np.full(len(self.shared), 0.5)])

    @property
    def lower(self) -> Float[np.ndarray, " q"]:
        return np.concatenate([np.full(len(self.nests) - 1, 1e-3), np.full(len(self.shared), 1e-6)])

    @property
    def upper(self) -> Float[np.ndarray, " q"]:
        return np.concatenate([np.full(len(self.nests) - 1, np.inf), np.full(len(self.shared), 1 - 1e-6)])

    def check_determined(self, fixed: Collection[str]) -> None:
        """Refuse scales that no choice tells of, but for those that are fixed.

        Raises
        ------
        OptionError
            If a nest has one member, or one nest holds everything.
        """
        single = [nest for nest in self.nests[:-1] if len(nest.children) == 1]
        whole = [self.nests[-2]] if len(self.nests[-1].children) == 1 else []
        for nest in (nest for nest in (*single, *whole) if f"mu({nest.name})" not in fixed):
            holds = "everything" if nest in whole else "one member"
            raise OptionError(
                f"Nest {nest.name!r} holds {holds}, so that choices say nothing of mu({nest.name}). Leave it "
                f"out (what is in no nest stands alone), or fix it: fixed={{'mu({nest.name})': 1}}."
            )

    def log_probabilities(self, v: np.ndarray, structure: np.ndarray, data: ChoiceData) -> np.ndarray:
        """log P of every line."""
        up = _Up(self, structure, self._dense(v, data))
        reached = {len(self.alternatives) + len(self.nests) - 1: np.ones(up.inclusive[0].shape)}
        for position, nest, inner in up.downwards:
            for child, share in zip(nest.children, inner, strict=True):
                reached[child] = reached.get(child, 0.0) + reached[position] * share
        p = np.stack([reached[i] for i in range(len(self.alternatives))], axis=1)
        return np.log(np.maximum(p[data.case, data.alternative], 1e-300))

    def log_sums(self, v: np.ndarray, structure: np.ndarray, data: ChoiceData) -> np.ndarray:
        """Expected utility of the best alternative of each case, up to a constant: the root's log-sum."""
        return _Up(self, structure, self._dense(v, data)).inclusive[-1]

    def __call__(self, v: np.ndarray, structure: np.ndarray, data: ChoiceData) -> Values:
        """log P of what was chosen; derivatives by going up and down the tree once.

        With F_n = P(chosen | n) and T_n = P(n), the derivative of P(chosen) by μ_n(I_c + log α_nc) is
        T_n P(c|n)(F_c − F_n) + A_n P(c|n)/μ_n, where A_n is that by I_n.
        """
        up, count = _Up(self, structure, self._dense(v, data)), len(self.alternatives)
        chosen = data.alternative[data.chosen_lines]
        hit = [
            np.broadcast_to((chosen == i).reshape(-1, *(1,) * (v.ndim - 1)), up.inclusive[0].shape)
            for i in range(count)
        ]
        for nest, inner in zip(self.nests, up.inner, strict=True):
            hit.append(np.sum([share * hit[child] for child, share in zip(nest.children, inner, strict=True)], axis=0))
        reached, by_sum = [[np.zeros_like(up.inclusive[0]) for _ in hit] for _ in range(2)]
        reached[-1] = np.ones_like(up.inclusive[0])
        by_structure = np.zeros((len(structure), *up.inclusive[0].shape))
        for position, nest, inner in up.downwards:
            number, mu = position - count, up.scales[position - count]
            for child, share, alpha, which in zip(
                nest.children, inner, up.log_shares[number], nest.shares, strict=True
            ):
                slope = reached[position] * share * (hit[child] - hit[position]) + by_sum[position] * share / mu
                reached[child] = reached[child] + reached[position] * share
                by_sum[child] = by_sum[child] + mu * slope
                if number < len(self.nests) - 1:
                    by_structure[number] += slope * np.where(
                        up.inclusive[child] > ABSENT / 2, up.inclusive[child] + alpha, 0
                    )
                if which is not None:
                    entry, sign = (which, 1) if which >= 0 else (-1 - which, -1)
                    by_structure[len(self.nests) - 1 + entry] += mu * slope * sign * np.exp(-alpha)
            if number < len(self.nests) - 1:
                present = np.where(up.inclusive[position] > ABSENT / 2, up.inclusive[position], 0)
                by_structure[number] -= by_sum[position] * present / mu
        p = np.maximum(hit[-1], 1e-300)
        by_utility = np.stack(by_sum[:count], axis=1)[data.case, data.alternative]
        return Values(np.log(p), by_utility / p[data.case], by_structure / p)

    def _dense(self, v: np.ndarray, data: ChoiceData) -> np.ndarray:
        if data.alternatives != self.alternatives:
            raise DataError(
                f"Nests were fitted to {', '.join(self.alternatives)}; these data have {', '.join(data.alternatives)}. "
                "Say of a new alternative which nest it is in by fitting with it, or use a model without nests."
            )
        dense = np.full((len(data), len(self.alternatives), *v.shape[1:]), ABSENT)
        dense[data.case, data.alternative] = v
        return dense


class _Up:
    """Log-sums and inner probabilities of all nests, from the alternatives up."""

    def __init__(self, nests: Nests, structure: np.ndarray, dense: np.ndarray):
        count = len(nests.nests) - 1
        self.nests = nests
        self.scales = [*structure[:count], 1.0]
        self.log_shares = [nest.log_shares(structure[count:]) for nest in nests.nests]
        self.inclusive = [dense[:, i] for i in range(len(nests.alternatives))]
        self.inner: list[list[np.ndarray]] = []
        for nest, mu, logs in zip(nests.nests, self.scales, self.log_shares, strict=True):
            values = np.stack([self.inclusive[c] + log for c, log in zip(nest.children, logs, strict=True)])
            highest = values.max(axis=0)
            weights = np.exp(mu * (values - highest))
            total = weights.sum(axis=0)
            self.inclusive.append(highest + np.log(total) / mu)
            self.inner.append(list(weights / total))

    @property
    def downwards(self) -> list[tuple[int, Nest, list[np.ndarray]]]:
        """Nests from the root down, with their positions and inner probabilities."""
        first = len(self.nests.alternatives)
        numbered = zip(range(first, first + len(self.inner)), self.nests.nests, self.inner, strict=True)
        return list(numbered)[::-1]


class _Reader:
    """Reads nests from below, noting which nests hold each alternative."""

    def __init__(self, alternatives: tuple[str, ...]):
        self.alternatives = alternatives
        self.built: list[tuple[str, tuple[int, ...]]] = []
        self.homes: dict[str, list[str]] = {}

    def node(self, name: str, inside: Any) -> int:
        if isinstance(inside, Mapping):
            return self.add(name, tuple(self.node(inner, members) for inner, members in inside.items()))
        if isinstance(inside, str) or not isinstance(inside, Sequence):
            raise OptionError(f"Nest {name!r} must be a list of alternatives or a mapping of nests; got {inside!r}.")
        for member in inside:
            if member not in self.alternatives:
                raise OptionError(
                    f"Nest {name!r} names {member!r}, which is no alternative. Alternatives: "
                    f"{', '.join(self.alternatives)}."
                )
            self.homes.setdefault(member, []).append(name)
        return self.add(name, tuple(self.alternatives.index(member) for member in inside))

    def add(self, name: str, children: tuple[int, ...]) -> int:
        if any(name == known for known, _ in self.built):
            raise OptionError(f"Two nests are called {name!r}. Name them apart.")
        self.built.append((name, children))
        return len(self.alternatives) + len(self.built) - 1

    def shares(
        self, nest: str, children: tuple[int, ...], shared: tuple[tuple[str, str], ...]
    ) -> tuple[int | None, ...]:
        """For each child which estimated share it has, if any."""
        names = [self.alternatives[c] if c < len(self.alternatives) else "" for c in children]
        entry = {name: (number, home) for number, (home, name) in enumerate(shared)}
        return tuple(
            None if name not in entry else entry[name][0] if entry[name][1] == nest else -1 - entry[name][0]
            for name in names
        )
