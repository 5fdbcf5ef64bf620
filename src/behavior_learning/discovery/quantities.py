"""Quantities: a limit or a belief sums like ones alone, a price times an amount and a budget, no amount and a budget.

What a row is in is a choice that no descent makes, so that there is a search for each. A utility values each of its
terms at a rate of its own, so that it may sum unlike ones.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import product

import numpy as np

from behavior_learning.errors import OptionError
from behavior_learning.training.active_set import Support

__all__ = ["Quantity", "of_like_quantities", "quantity", "quantity_of_product", "spelled"]

Quantity = frozenset[tuple[str, int]]
"""Powers of units: EUR/kg has EUR to the power of 1 and kg to that of −1."""

FACTOR = re.compile(r"(?:1|(?P<name>[^\W\d]\w*|[^\w\s^*/])\s*(?:\^\s*(?P<power>-?\d+))?)")

MOST = 16
"""Choices of a quantity for each row that are searched."""


def quantity(column: str, unit: str) -> Quantity:
    """The quantity that a unit such as ``"EUR/kg"``, ``"m^2"`` or ``"1"`` is of.

    Raises
    ------
    OptionError
        If it is no product of names and whole powers.
    """
    powers, (first, *others) = Counter[str](), re.split(r"([*/])", str(unit).replace("**", "^"))
    for sign, factor in [("*", first), *zip(others[::2], others[1::2], strict=True)]:
        found = FACTOR.fullmatch(factor.strip())
        if found is None:
            raise OptionError(
                f"The unit of {column!r} must be a product of names and whole powers, such as 'EUR/kg', 'm^2', or '1' "
                f"for a number; got {unit!r}. Numbers in front do not matter: leave them out."
            )
        if found["name"]:
            powers[found["name"]] += int(found["power"] or 1) * (1 if sign == "*" else -1)
    return frozenset((name, power) for name, power in powers.items() if power)


def quantity_of_product(factors: Iterable[Quantity | None]) -> Quantity | None:
    """None where the unit of a factor is not known."""
    powers = Counter[str]()
    for factor in factors:
        if factor is None:
            return None
        for name, power in factor:
            powers[name] += power
    return frozenset((name, power) for name, power in powers.items() if power)


def spelled(own: Quantity) -> str:
    """The unit of a quantity, ``"1"`` where it has none.

    >>> spelled(quantity("area", "1/m^2*kg"))
    'kg/m^2'
    """
    parts = [
        [f"{name}^{abs(p)}" if abs(p) > 1 else name for name, p in sorted(own) if p * sign > 0] for sign in (1, -1)
    ]
    return "/".join(["*".join(parts[0]) or "1", *parts[1]])


def of_like_quantities(
    allowed: Support, terms: Sequence[tuple[str, ...]], known: Mapping[str, Quantity], response: str
) -> tuple[Support, ...]:
    """The terms that may come in, for every choice of a quantity for each row of a limit or a belief.

    Parameters
    ----------
    terms : the columns whose product each is, as often as their powers.
    known : quantities by column; terms of other columns go with any.

    Raises
    ------
    OptionError
        If there are too many choices.
    """
    quantities = [quantity_of_product(map(known.get, term)) for term in terms]
    rows = [
        (role, at)
        for role in ("inequality", "equality")
        for at in np.ndindex(allowed.coefs[0][role].shape[:2])
        if allowed.coefs[0][role][at].any()
    ]

    def in_row(role: str, at: tuple[int, ...]) -> dict[tuple[str, ...], Quantity | None]:
        used = allowed.coefs[0][role][at].tolist()
        return {term: own for term, own, can in zip(terms, quantities, used, strict=True) if can}

    choices = [_compared(in_row(role, at), response) for role, at in rows]
    count = int(np.prod([len(own) for own in choices]))
    if count > MOST:
        raise OptionError(
            f"With these units there are {count} choices of what the rows are in, and at most {MOST} are searched. "
            "Give units of more columns of X and of the response, forbid terms, or name fewer heads."
        )
    found = []
    for chosen in product(*choices):
        support = allowed.copy()
        for (role, at), own in zip(rows, chosen, strict=True):
            support.coefs[0][role][at] &= [each is None or each == own for each in quantities]
        found.append(support)
    return tuple(found)


def _compared(terms: Mapping[tuple[str, ...], Quantity | None], response: str) -> list[Quantity | None]:
    """Quantities that a row may be in: of a term of the response and one of x alone.

    d·y beside d·c is y beside c over again, and so is y² beside c². What has no unit may be compared with the response
    itself, and any column with a response that has none.
    """
    others = [term for term in terms if response not in term]
    if terms.get((response,)) is None:
        found = {terms[term] for term in others if len(term) == 1}
    else:
        pairs = [(one, other) for one in terms if response in one for other in others if terms[one] == terms[other]]
        found = {terms[one] for one, other in pairs if not set(one) & set(other) and not _squares(one, other)}
        if not found or any(terms[term] is None for term in others):
            found.add(terms[(response,)])
    return [*sorted((own for own in found if own is not None), key=sorted)] or [None]


def _squares(*terms: tuple[str, ...]) -> bool:
    return all(len(term) == 2 and len(set(term)) == 1 for term in terms)
