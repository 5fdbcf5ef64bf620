"""What is known of the columns before the search."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields

from behavior_learning.discovery.quantities import Quantity, quantity
from behavior_learning.errors import OptionError

__all__ = ["Knowledge", "factors"]

CONTRADICTIONS = (("rising", "falling"), ("known", "forbidden"), ("rising", "forbidden"), ("falling", "forbidden"))
"""What no column can be at once."""


@dataclass(frozen=True)
class Knowledge:
    """Constraints of the search, by the user's columns.

    Attributes
    ----------
    known : columns, and terms such as ``"price*amount"``, that every problem but the empty one holds.
    forbidden : columns, and terms, that no row may hold.
    rising, falling : columns in which the response never falls, or never rises: with more of a rising column, larger
        responses become more likely against smaller ones, whatever the other columns.
    themes : groups of columns that belong to one agent of a hierarchy each.
    units : of columns and of the response: rows of limits and beliefs sum like quantities alone.
    """

    known: Sequence[str] = ()
    forbidden: Sequence[str] = ()
    rising: Sequence[str] = ()
    falling: Sequence[str] = ()
    themes: Sequence[Sequence[str]] = ()
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def monotone(self) -> frozenset[str]:
        return frozenset(self.rising) | frozenset(self.falling)

    @property
    def quantities(self) -> dict[str, Quantity]:
        """Of the columns whose units are given."""
        return {name: quantity(name, unit) for name, unit in self.units.items()}

    def check(self, columns: Sequence[str], response: str) -> None:
        """Raise OptionError where a name is no column's, or what is known contradicts itself."""

        def read(name: str) -> tuple[str, ...]:
            return (name,) if name in columns else factors(name, columns, response) or (name,)

        if not isinstance(self.units, Mapping):
            raise OptionError(f"units must be a dict such as {{'price': 'EUR/kg'}}; got {self.units!r}.")
        for own in fields(self):
            given = getattr(self, own.name)
            if isinstance(given, str):
                raise OptionError(f"{own.name} must be a list of names; got {given!r}. Pass [{given!r}].")
            names = [name for theme in given for name in theme] if own.name == "themes" else list(given)
            terms = own.name in ("known", "forbidden")
            valid = {*columns, response} if own.name == "units" else set(columns)
            unknown = [name for name in names if name not in valid and not (terms and factors(name, columns, response))]
            if unknown:
                which = "no column or product of columns" if terms else "no column"
                raise OptionError(
                    f"{own.name} names {unknown[0]!r}, which is {which}. Columns: {', '.join(map(str, columns))}."
                )
            named = [read(name) for name in names]
            twice = next((name for name, own in zip(names, named, strict=True) if named.count(own) > 1), None)
            if twice is not None:
                raise OptionError(f"{own.name} names {twice!r} twice. Name every column once.")
        for one, other in CONTRADICTIONS:
            gone = set(map(read, getattr(self, other)))
            both = next((name for name in getattr(self, one) if read(name) in gone), None)
            if both is not None:
                raise OptionError(f"{both!r} is both {one} and {other}. Leave it out of one of them.")
        for name in self.known:
            if gone := set(read(name)) & set(self.forbidden):
                raise OptionError(f"{name!r} is known, and {min(gone)!r} forbidden. Leave out one of them.")
        _ = self.quantities  # Units are read, so that what is none is refused.

    def direction(self, column: str) -> int:
        """1 for a rising column, −1 for a falling one and 0 for any other."""
        return (column in self.rising) - (column in self.falling)


def factors(term: str, columns: Collection[str], response: str) -> tuple[str, ...]:
    """The columns of a product, in order, each as often as its power; none of what is no product of them."""
    found = list[str]()
    for part in str(term).replace("**", "^").split("*"):
        name, power = re.fullmatch(r"(.*?)(?:\^(\d))?", part.strip(), re.DOTALL).groups()  # pyright: ignore[reportOptionalMemberAccess]
        found += [name] * int(power or 1)
    return tuple(sorted(found)) if len(found) > 1 and set(found) <= {*columns, response} else ()
