"""Estimates as a table, and summaries as text, HTML and LaTeX."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import norm

from behavior_learning.errors import OptionError

__all__ = ["Estimates", "Summary"]


@dataclass(frozen=True)
class Estimates:
    """Numbers with a covariance: one line each with standard error, z, p and interval.

    Attributes
    ----------
    params : the estimates.
    cov : their covariance; NaN where it is refused.
    draws : bootstrap estimates, one line per draw, where the covariance came from them.
    """

    params: pd.Series
    cov: pd.DataFrame
    draws: pd.DataFrame | None = None

    @classmethod
    def of(
        cls, labels: Sequence[str], values: np.ndarray, covariance: np.ndarray, draws: np.ndarray | None = None
    ) -> "Estimates":
        index = pd.Index(labels, name="parameter")
        frame = pd.DataFrame(covariance, index, index)
        return cls(
            pd.Series(values, index, name="estimate"),
            frame,
            None if draws is None else pd.DataFrame(draws, columns=index),
        )

    @property
    def bse(self) -> pd.Series:
        """Standard errors."""
        variances = np.diag(self.cov)
        return pd.Series(np.sqrt(np.where(variances >= 0, variances, np.nan)), self.params.index, name="std. error")

    @property
    def zvalues(self) -> pd.Series:
        return (self.params / self.bse).rename("z")

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p-values of each number being zero, by the normal law."""
        return pd.Series(2 * norm.sf(np.abs(self.zvalues)), self.params.index, name="P>|z|")

    def conf_int(self, level: float = 0.95, method: str = "normal") -> pd.DataFrame:
        """Confidence intervals.

        Parameters
        ----------
        method : ``"normal"``, or ``"percentile"`` of the bootstrap draws.
        """
        if not 0 < level < 1:
            raise OptionError(f"level must lie strictly between 0 and 1; got {level!r}.")
        tails = [(1 - level) / 2, (1 + level) / 2]
        if method == "percentile":
            if self.draws is None:
                raise OptionError("method='percentile' needs draws: use covariance='bootstrap' or 'cluster_bootstrap'.")
            bounds = self.draws.quantile(tails).T.where(self.bse.notna(), np.nan)
            return pd.DataFrame(bounds.to_numpy(), self.params.index, ["lower", "upper"])
        if method != "normal":
            raise OptionError(f"method must be 'normal' or 'percentile'; got {method!r}.")
        half = norm.ppf(tails[1]) * self.bse
        return pd.DataFrame({"lower": self.params - half, "upper": self.params + half})

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """Estimate, standard error, z, p-value and interval."""
        columns = [self.params, self.bse, self.zvalues, self.pvalues, self.conf_int(level)]
        return pd.concat(columns, axis=1)

    def transformed(
        self, labels: Sequence[str], matrix: Float[np.ndarray, "q p"], shift: Float[np.ndarray, " q"]
    ) -> "Estimates":
        """Linear functions A·θ + c with their covariance (delta method, exact for linear functions).

        A parameter without standard error spoils those functions only that it enters.
        """
        known = self.cov.to_numpy()
        refused = np.isnan(np.diag(known))
        covariance = matrix @ np.where(np.isnan(known), 0.0, known) @ matrix.T
        spoiled = (matrix[:, refused] != 0).any(axis=1)
        covariance[spoiled] = covariance[:, spoiled] = np.nan
        draws = None if self.draws is None else self.draws.to_numpy() @ matrix.T + shift
        return Estimates.of(labels, matrix @ self.params.to_numpy() + shift, covariance, draws)


@dataclass(frozen=True)
class Summary:
    """A printed result: facts, a table per set of units, and notes; as text, HTML or LaTeX.

    Attributes
    ----------
    title : first line.
    facts : name and value pairs.
    tables : a caption and a table each.
    notes : sentences below the tables.
    """

    title: str
    facts: dict[str, str]
    tables: dict[str, pd.DataFrame]
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return self.as_text()

    def __repr__(self) -> str:
        return self.as_text()

    def _repr_html_(self) -> str:
        return self.as_html()

    def as_text(self) -> str:
        """Plain text."""
        width = max((len(name) for name in self.facts), default=0)
        facts = [f"{name:<{width}}  {value}" for name, value in self.facts.items()]
        tables = [f"{caption}\n{_text_table(table)}" for caption, table in self.tables.items()]
        return "\n\n".join(filter(None, [self.title, "\n".join(facts), *tables, "\n".join(self.notes)]))

    def as_html(self) -> str:
        """One HTML fragment, without style sheets or scripts."""
        facts = "".join(f"<tr><th>{escape(n)}</th><td>{escape(v)}</td></tr>" for n, v in self.facts.items())
        tables = "".join(f"<h4>{escape(caption)}</h4>{_html_table(table)}" for caption, table in self.tables.items())
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"<h3>{escape(self.title)}</h3><table>{facts}</table>{tables}{notes}"

    def as_latex(self) -> str:
        """A `tabular` per table, for a document with the booktabs package; facts and notes are comments and text."""
        facts = "\n".join(f"% {name}: {value}" for name, value in self.facts.items())
        tables = [f"% {caption}\n{_latex_table(table)}" for caption, table in self.tables.items()]
        notes = "\n".join(_latex(note) + r"\\" for note in self.notes)
        return "\n".join(filter(None, [f"% {self.title}", facts, *tables, notes]))


_FORMATS = {"P>|z|": "{:.3f}", "z": "{:.2f}"}


def _cells(table: pd.DataFrame) -> list[list[str]]:
    write = lambda column, value: value if isinstance(value, str) else _FORMATS.get(column, "{:.4g}").format(value)
    return [
        [str(label), *(write(c, v) for c, v in zip(table.columns, row, strict=True))]
        for label, row in zip(table.index, table.to_numpy(), strict=True)
    ]


def _text_table(table: pd.DataFrame) -> str:
    rows = [["", *map(str, table.columns)], *_cells(table)]
    widths = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    line = lambda row: "  ".join(
        [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
    )
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([line(rows[0]), rule, *map(line, rows[1:]), rule])


def _html_table(table: pd.DataFrame) -> str:
    head = "".join(f"<th>{escape(str(column))}</th>" for column in ("", *table.columns))
    cells = lambda row: f"<th>{escape(row[0])}</th>" + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{cells(row)}</tr>' for row in _cells(table))}</table>"


def _latex_table(table: pd.DataFrame) -> str:
    line = lambda row: " & ".join(map(_latex, row)) + r" \\"
    body = "\n".join(map(line, _cells(table)))
    head = line(["", *map(str, table.columns)])
    columns = "l" + "r" * table.shape[1]
    return f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{head}\n\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}"


_ESCAPES = {
    "\\": r"\textbackslash{}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
    "^": r"\^{}", "~": r"\~{}", ">": r"\textgreater{}", "<": r"\textless{}", "|": r"\textbar{}",
}  # fmt: skip


def _latex(text: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in text)
