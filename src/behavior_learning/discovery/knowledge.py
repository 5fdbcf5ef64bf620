"""What is known of the columns before the search."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from behavior_learning.errors import OptionError

__all__ = ["Knowledge"]

CONTRADICTIONS = (("rising", "falling"), ("known", "forbidden"), ("rising", "forbidden"), ("falling", "forbidden"))
"""What no column can be at once."""


@dataclass(frozen=True)
class Knowledge:
    """Constraints of the search, by the user's columns.

    Attributes
    ----------
    known : columns that every problem but the empty one holds.
    forbidden : columns that no row may hold.
    rising, falling : columns in which the response never falls, or never rises: with more of a rising column, larger
        responses become more likely against smaller ones, whatever the other columns.
    themes : groups of columns that belong to one agent of a hierarchy each.
    """

    known: Sequence[str] = ()
    forbidden: Sequence[str] = ()
    rising: Sequence[str] = ()
    falling: Sequence[str] = ()
    themes: Sequence[Sequence[str]] = ()

    @property
    def monotone(self) -> frozenset[str]:
        return frozenset(self.rising) | frozenset(self.falling)

    def check(self, columns: Sequence[str]) -> None:
        """Raise OptionError where a name is no column's, or what is known contradicts itself."""
        for field in fields(self):
            given = getattr(self, field.name)
            names = [name for theme in given for name in theme] if field.name == "themes" else given
            unknown = [name for name in names if name not in columns]
            if unknown:
                raise OptionError(
                    f"{field.name} names {unknown[0]!r}, which is no column. Columns: {', '.join(map(str, columns))}."
                )
            if len(set(names)) < len(names):
                twice = next(name for name in names if list(names).count(name) > 1)
                raise OptionError(f"{field.name} names {twice!r} twice. Name every column once.")
        for one, other in CONTRADICTIONS:
            both = sorted(set(getattr(self, one)) & set(getattr(self, other)))
            if both:
                raise OptionError(f"{both[0]!r} is both {one} and {other}. Leave it out of one of them.")

    def direction(self, column: str) -> int:
        """1 for a rising column, −1 for a falling one and 0 for any other."""
        return (column in self.rising) - (column in self.falling)
