"""Reference levels: where the indicators of a category sum to one, one of them says nothing beside what they multiply.

Σ_k a_k·1(level k)·g(y) + b·g(y) keeps its value when a constant moves from every a_k to b. The first level becomes the
reference: its coefficient is zero, and those of the other levels are differences from it.
"""

from collections.abc import Iterator, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from behavior_learning.core.bases import ONE, Basis
from behavior_learning.core.features import Product
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.identification.head_table import HeadTable
from behavior_learning.identification.normalize import Canonicalizer

__all__ = ["equal_sums", "with_reference_levels"]

Columns = Int[np.ndarray, " columns"]
"""Places in a row [M | b]."""

INTERCEPT = -1

Factors = tuple[int, ...]
"""Columns of x that are multiplied, in order."""


def equal_sums(basis: Basis, x: Float[np.ndarray, "n d"], categories: Sequence[Sequence[int]]) -> list[list[Columns]]:
    """Sets of terms with one sum on all rows: a product of columns, and its parts by the levels of a category.

    Parameters
    ----------
    categories : columns of x that are the levels of one category each.

    Returns
    -------
    Two sets or more for each product that categories divide; products of more factors come first.
    """
    of_x = [np.asarray(each(jnp.asarray(x)), float) for each in basis.x_maps]
    values = np.concatenate([*of_x, np.ones((len(x), 1))], axis=1)
    products = {i: f.columns for i, f in enumerate(basis.x_functions) if isinstance(f, Product)} | {ONE: ()}
    terms = [(i, j, term) for term, (i, j) in enumerate(basis.pairing.pairs) if i in products]
    terms.append((ONE, ONE, INTERCEPT))
    sums: dict[tuple[Factors, int], dict[int, list[tuple[int, int]]]] = {}
    for i, j, term in terms:
        for number, whole in _wholes(products[i], categories):
            sums.setdefault((whole, j), {}).setdefault(number, []).append((i, term))
    found: list[list[Columns]] = []
    for key in sorted(sums, key=lambda key: -len(key[0])):
        sets = [sums[key][number] for number in sorted(sums[key])]
        totals = [values[:, [i for i, _ in own]].sum(axis=1) for own in sets]
        alike = [own for own, total in zip(sets, totals, strict=True) if np.array_equal(total, totals[0])]
        found += [[np.array([term for _, term in own]) for own in alike]] if len(alike) > 1 else []
    return found


def _wholes(factors: Factors, categories: Sequence[Sequence[int]]) -> Iterator[tuple[int, Factors]]:
    """What a product is a part of: itself (−1), and the product without a level, by the number of its category."""
    yield -1, tuple(sorted(factors))
    for number, levels in enumerate(categories):
        for level in set(factors).intersection(levels):
            rest = sorted(factors)
            rest.remove(level)
            yield number, tuple(rest)


def with_reference_levels(network: BehaviorNetwork, sums: Sequence[Sequence[Columns]]) -> BehaviorNetwork:
    """The same utility on the training rows, with the first level of all sets of terms but one at zero in every row.

    Parameters
    ----------
    sums : see `equal_sums`.
    """
    form = Canonicalizer.of(network, one_hot=False)
    for layer in range(len(form.tables)):
        if network.architecture.inputs(layer).terms:
            for table in form.present(layer).values():
                for row in range(table.size):
                    for sets in sums:
                        _choose_reference(table, row, sets)
    return form.assembled()


def _choose_reference(table: HeadTable, row: int, sets: Sequence[Columns]) -> None:
    """Move the number on the first level to the first set of terms that may move, for every other one."""
    free = table.rows.learned[row] & (table.rows.sign[row] == 0)
    movable = [terms for terms in sets if free[terms].all()]
    for levels in movable[1:]:
        shift = table.rows.value[row, levels[0]]
        table.rows.value[row, levels] -= shift
        table.rows.value[row, movable[0]] += shift
        table.rows.pin((row, levels[0]), 0.0)
