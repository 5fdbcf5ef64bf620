"""A learned problem with all that can be done with it: evaluated, written in every form, and renamed."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from behavior_learning.errors import OptionError
from behavior_learning.symbolic import sympy_latex
from behavior_learning.symbolic.coefficients import coefficient_tables
from behavior_learning.symbolic.evaluate import output_values, table_values
from behavior_learning.symbolic.problem import Block, Problem
from behavior_learning.symbolic.python_source import problem_source
from behavior_learning.symbolic.text import DIGITS, TERMS_SHOWN, check_shown, problem_text
from behavior_learning.symbolic.to_json import problem_json

if TYPE_CHECKING:
    import pandas as pd
    import sympy

__all__ = ["LearnedProblem", "check_renaming"]


class LearnedProblem(Problem):
    """What a network has learned: maximise … subject to … ≤ 0, … = 0, and layers of such problems.

    Printing it shows the strongest terms of each row first and names what appears in no row, and of many blocks those
    that matter most; `text(terms=None)` shows every term and block. Its data are in `layers`, `outputs` and `response`,
    and every block by its name in `blocks`.

    Examples
    --------
    >>> from behavior_learning.core.heads import get_head
    >>> from behavior_learning.symbolic.polynomials import Polynomial
    >>> from behavior_learning.symbolic.problem import Block, HeadTerm
    >>> budget = Polynomial({(("price", 1),): 1.0, (("income", 1),): -2.0})
    >>> term = HeadTerm(get_head("inequality", "relu"), 1.0, budget)
    >>> print(LearnedProblem.of_block(Block("block1.1", (term,), ("price",), {})))
    block1.1
      subject to  -2*income + price <= 0   [penalty 1*max(0, v)]
    """

    @classmethod
    def of_block(cls, block: Block) -> "LearnedProblem":
        """The problem of a single block, whose utility is the output."""
        return cls(((block,),), {"utility": block.itself}, block.response)

    def utility(self, table: Mapping[str, Any]) -> Any:
        """BL(x, y) of every row, or for vector output an array for every class; exactly as fitted, in double precision.

        Parameters
        ----------
        table : a DataFrame or a mapping to arrays that broadcast against each other; the columns of x and, where
            blocks see it, y in the user's units.

        Raises
        ------
        DataError
            If a column is absent.
        """
        values = table_values(self.blocks.values(), table)
        rows = np.broadcast_shapes(*map(np.shape, values.values()))  # Also where none of the columns matters.
        outputs = {name: np.array(np.broadcast_to(v, rows)) for name, v in output_values(self, values).items()}
        return outputs["utility"] if self.chooses else outputs

    def text(self, terms: int | None = TERMS_SHOWN, digits: int = DIGITS) -> str:
        """Write the problem in plain text, top layer first, with the `terms` strongest of each row.

        None writes all of them, and every block; with a number of terms at most eight blocks are written.
        """
        check_shown(terms, digits)
        return problem_text(self, terms, digits)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return self.text()

    def _repr_latex_(self) -> str:
        return "\n\n".join(f"$${part}$$" for part in self.to_latex().split("\n\n"))

    def to_sympy(self) -> "dict[str, sympy.Expr]":
        """Utilities by output name as SymPy expressions in the user's columns alone, the layers substituted."""
        return sympy_latex.output_expressions(self)

    def to_latex(self, terms: int | None = TERMS_SHOWN, digits: int = DIGITS) -> str:
        """The problem in LaTeX, an ``aligned`` environment for the outputs and for each block, the top layer first."""
        check_shown(terms, digits)
        return sympy_latex.problem_latex(self, terms, digits)

    def to_python(self) -> str:
        """Source of a module that needs NumPy alone, with a function ``utility(**columns)``.

        For vector output it returns a dictionary with an array for every class.
        """
        return problem_source(self)

    def coefficients(
        self, *, standardized: bool = False, descriptions: Mapping[str, str] | None = None
    ) -> "list[pd.DataFrame]":
        """The coefficients of every layer as a table, columns (block, row), as in Tables 14 to 16.

        Parameters
        ----------
        standardized : coefficients times the standard deviations of their variables, by which unlike columns compare.
        descriptions : of columns, written before the name.
        """
        return coefficient_tables(self, standardized=standardized, descriptions=descriptions)

    def to_json(self) -> str:
        """The problem as JSON; `behavior_learning.symbolic.from_json` reads it."""
        return problem_json(self)

    def renamed(self, names: Mapping[str, str]) -> Self:
        """The same problem with other names for blocks.

        Raises
        ------
        OptionError
            If a name is no block's, or a new name is that of another block or variable.
        """
        blocks = self.blocks.values()
        named = {name for block in blocks for name in (*block.variables, *block.response)}
        columns = {source.column for block in blocks for source in block.sources.values()}
        _check_names(names, list(self.blocks), (named | columns) - set(self.blocks))
        layers = tuple(tuple(block.renamed(names) for block in layer) for layer in self.layers)
        return replace(self, layers=layers, outputs={k: output.renamed(names) for k, output in self.outputs.items()})


def check_renaming(names: Any) -> None:
    """Refuse what gives no new names that are text.

    Raises
    ------
    OptionError
        If names are no dictionary, or a new name is no text or empty.
    """
    if not isinstance(names, Mapping):
        raise OptionError(f"Names must be a dictionary such as {{'block1.1': 'the budget'}}; got {names!r}.")
    wrong = [new for new in names.values() if not isinstance(new, str) or not new.strip() or not new.isprintable()]
    if wrong:
        raise OptionError(f"A block's name must be one line of text that is not empty; got {wrong[0]!r}.")


def _check_names(names: Mapping[str, str], blocks: Sequence[str], variables: Set[str]) -> None:
    check_renaming(names)
    unknown = [name for name in names if name not in blocks]
    if unknown:
        raise OptionError(f"There is no block {unknown[0]!r} to rename. Blocks: {', '.join(blocks)}.")
    after = [names.get(block, block) for block in blocks]
    taken = [name for name in after if after.count(name) > 1 or name in variables]
    if taken:
        raise OptionError(f"The name {taken[0]!r} would stand for two things. Give every block a name of its own.")
