"""What columns mean: a description of each, and the themes that they belong to."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from behavior_learning.errors import OptionError

__all__ = ["Legend"]


@dataclass(frozen=True)
class Legend:
    """What a user knows of columns and a table does not say.

    Attributes
    ----------
    descriptions : by column, a line of text.
    themes : by theme, its columns; of a response too, where a theme is to count it.
    """

    descriptions: Mapping[str, str] = field(default_factory=dict)
    themes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, descriptions: Any, themes: Any, columns: Collection[str]) -> "Legend":
        """Descriptions and themes of some of the columns, checked.

        Raises
        ------
        OptionError
            If one is of a column that is not there, is no text, or a column has two themes.
        """
        if not isinstance(descriptions, Mapping) or not all(_is_line(text) for text in descriptions.values()):
            raise OptionError(f"Descriptions must be lines of text by column; got {descriptions!r}.")
        if not isinstance(themes, Mapping) or not all(_is_line(name) for name in themes):
            raise OptionError(f"Themes must be lists of columns by name, as {{'location': ['RAD']}}; got {themes!r}.")
        listed = {name: (own,) if isinstance(own, str) else tuple(own) for name, own in themes.items()}
        themed = [column for own in listed.values() for column in own]
        unknown = [column for column in (*descriptions, *themed) if column not in columns]
        if unknown:
            raise OptionError(f"There is no column {unknown[0]!r} to describe. Columns: {', '.join(columns)}.")
        twice = [column for column in themed if themed.count(column) > 1]
        if twice:
            raise OptionError(f"A column has one theme; {twice[0]!r} stands in two. Leave it out of one of them.")
        return cls(dict(descriptions), listed)

    @property
    def theme_of(self) -> dict[str, str]:
        """The theme of every column that has one."""
        return {column: theme for theme, own in self.themes.items() for column in own}

    def described(self, column: str) -> str:
        """The column with its description, where it has one."""
        return f"{column} ({self.descriptions[column]})" if column in self.descriptions else column


def _is_line(text: Any) -> bool:
    return isinstance(text, str) and bool(text.strip()) and text.isprintable()
