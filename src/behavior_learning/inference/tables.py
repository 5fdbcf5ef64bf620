"""Estimates as a table, and summaries as text, HTML and LaTeX."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import norm

from behavior_learning.errors import OptionError
from behavior_learning.inference.hypotheses import TestResult, chi_square_test, parse_hypotheses

__all__ = ["Estimates", "EstimationResults", "Summary", "html_table", "latex_table", "markdown_table", "text_table"]


@dataclass(frozen=True)
class Estimates:
    """Numbers with a covariance: one line each with standard error, z, p and interval.

    Attributes
    ----------
    params : the estimates.
    cov : their covariance; NaN where it is not identified.
    draws : bootstrap estimates, one line per draw, where the covariance came from them.
    others : estimates at other optima that fit alike, which intervals cover too.
    intervals : how `conf_int` makes them by default, ``"normal"`` or ``"percentile"``.
    """

    params: pd.Series
    cov: pd.DataFrame
    draws: pd.DataFrame | None = None
    others: tuple["Estimates", ...] = ()
    intervals: str = "normal"

    @classmethod
    def of(
        cls, labels: Sequence[Any], values: np.ndarray, covariance: np.ndarray, draws: np.ndarray | None = None
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
    def given(self) -> pd.Series:
        """Which numbers are stated rather than estimated: their variance is 0."""
        return pd.Series(np.diag(self.cov) == 0, self.params.index, name="given")

    @property
    def zvalues(self) -> pd.Series:
        return (self.params / self.bse.where(~self.given)).rename("z")

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p-values of each number being zero, by the normal distribution."""
        return pd.Series(2 * norm.sf(np.abs(self.zvalues)), self.params.index, name="P>|z|")

    def conf_int(self, level: float = 0.95, method: str | None = None) -> pd.DataFrame:
        """Confidence intervals.

        Parameters
        ----------
        method : ``"normal"``, or ``"percentile"`` of the draws; by default what `intervals` says.
        """
        method = method or self.intervals
        if not 0 < level < 1:
            raise OptionError(f"level must lie strictly between 0 and 1; got {level!r}.")
        tails = [(1 - level) / 2, (1 + level) / 2]
        if method == "percentile":
            if self.draws is None:
                raise OptionError("method='percentile' needs draws: use cov_type='bootstrap' or 'cluster_bootstrap'.")
            bounds = self.draws.quantile(tails).T.where(self.bse.notna(), np.nan)
            return pd.DataFrame(bounds.to_numpy(), self.params.index, ["lower", "upper"])
        if method != "normal":
            raise OptionError(f"method must be 'normal' or 'percentile'; got {method!r}.")
        half = norm.ppf(tails[1]) * self.bse
        own = pd.DataFrame({"lower": self.params - half, "upper": self.params + half})
        rivals = [other.conf_int(level).reindex(own.index) for other in self.others]
        known = own["lower"].notna()
        for rival in rivals:
            own["lower"] = np.fmin(own["lower"], rival["lower"])
            own["upper"] = np.fmax(own["upper"], rival["upper"])
        return own.where(known, np.nan)

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """Estimate, standard error, z, p-value and interval."""
        columns = [self.params, self.bse, self.zvalues, self.pvalues, self.conf_int(level)]
        return pd.concat(columns, axis=1)

    def shown(self, level: float = 0.95) -> pd.DataFrame:
        """`table` as it is printed: numbers that are stated say so in place of an error."""
        table = self.table(level).astype(object)
        table.loc[self.given, ["std. error", "z", "P>|z|", "lower", "upper"]] = ["given", "", "", "", ""]
        return table

    def wald_test(self, hypotheses: str | Sequence[str] | np.ndarray) -> TestResult:
        """Test linear hypotheses of these numbers, such as ``"slope = 2"``, in their units."""
        matrix, value = parse_hypotheses(hypotheses, self.params.index)
        gaps = self.linearized(range(len(value)), matrix @ self.params.to_numpy() - value, matrix)
        return chi_square_test(gaps.params.to_numpy(), gaps.cov.to_numpy(), "Wald test in the units of these numbers.")

    def linearized(
        self, labels: Sequence[Any], values: Float[np.ndarray, " q"], jacobian: Float[np.ndarray, "q p"]
    ) -> "Estimates":
        """Functions of the parameters with these values and gradients, with their covariance by the delta method.

        A parameter without standard error spoils those functions only that it enters.
        """
        known = self.cov.to_numpy()
        unknown = np.isnan(np.diag(known))
        covariance = jacobian @ np.where(np.isnan(known), 0.0, known) @ jacobian.T
        spoiled = (jacobian[:, unknown] != 0).any(axis=1)
        covariance[spoiled] = covariance[:, spoiled] = np.nan
        moves = None if self.draws is None else self.draws.to_numpy() - self.params.to_numpy()
        drawn = None if moves is None else values + moves @ jacobian.T
        return replace(Estimates.of(labels, values, covariance, drawn), intervals=self.intervals)


class EstimationResults:
    """Results of which `estimates` are asked directly."""

    estimates: Estimates

    @property
    def params(self) -> pd.Series:
        return self.estimates.params

    @property
    def cov(self) -> pd.DataFrame:
        """Covariance of `params`; NaN where there is none."""
        return self.estimates.cov

    @property
    def bse(self) -> pd.Series:
        """Standard errors of `params`; NaN where there are none."""
        return self.estimates.bse

    @property
    def zvalues(self) -> pd.Series:
        return self.estimates.zvalues

    @property
    def pvalues(self) -> pd.Series:
        return self.estimates.pvalues

    def conf_int(self, level: float = 0.95, method: str | None = None) -> pd.DataFrame:
        """Confidence intervals of `params`; `method="percentile"` uses draws, as posteriors do by default."""
        return self.estimates.conf_int(level, method)


@dataclass(frozen=True)
class Summary:
    """A printed result: facts, a table per set of units, and notes; as text, HTML, LaTeX, Markdown or CSV.

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
        tables = [f"{caption}\n{text_table(table)}" for caption, table in self.tables.items()]
        return "\n\n".join(filter(None, [self.title, "\n".join(facts), *tables, "\n".join(self.notes)]))

    def as_html(self) -> str:
        """One HTML fragment, without style sheets or scripts."""
        facts = "".join(f"<tr><th>{escape(n)}</th><td>{escape(v)}</td></tr>" for n, v in self.facts.items())
        tables = "".join(f"<h4>{escape(caption)}</h4>{html_table(table)}" for caption, table in self.tables.items())
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"<h3>{escape(self.title)}</h3><table>{facts}</table>{tables}{notes}"

    def as_markdown(self) -> str:
        """Tables of pipes, as GitHub reads them."""
        facts = "\n".join(f"- {name}: {value}" for name, value in self.facts.items())
        tables = [f"**{caption}**\n\n{markdown_table(table)}" for caption, table in self.tables.items()]
        return "\n\n".join(filter(None, [f"### {self.title}", facts, *tables, *self.notes]))

    def as_csv(self) -> str:
        """Every table with its caption as the first column, numbers in full."""
        frames = [table.rename_axis("").reset_index().assign(table=caption) for caption, table in self.tables.items()]
        return pd.concat(frames).set_index("table").to_csv() if frames else ""

    def as_latex(self) -> str:
        """A `tabular` per table, for a document with the booktabs package; facts and notes are comments and text."""
        facts = "\n".join(f"% {name}: {value}" for name, value in self.facts.items())
        tables = [f"% {caption}\n{latex_table(table)}" for caption, table in self.tables.items()]
        notes = "\n".join(_latex(note) + r"\\" for note in self.notes)
        return "\n".join(filter(None, [f"% {self.title}", facts, *tables, notes]))


_FORMATS = {"P>|z|": "{:.3f}", "z": "{:.2f}"}


def _cells(table: pd.DataFrame) -> list[list[str]]:
    """The table as text, a list per line with its label first."""
    columns = {
        name: [v if isinstance(v, str) else _FORMATS.get(name, "{:.4g}").format(v) for v in table[name]]
        for name in table.columns
    }
    return [list(row) for row in zip(map(str, table.index), *columns.values(), strict=True)]


def text_table(table: pd.DataFrame) -> str:
    head, *rows = [["", *map(str, table.columns)], *_cells(table)]
    first, *widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = "-" * (first + sum(width + 2 for width in widths))
    lines = [
        "  ".join([row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], widths, strict=True))])
        for row in (head, *rows)
    ]
    return "\n".join([lines[0], rule, *lines[1:], rule])


def html_table(table: pd.DataFrame) -> str:
    head = "".join(f"<th>{escape(str(column))}</th>" for column in ("", *table.columns))
    body = "".join(
        f"<tr><th>{escape(label)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for label, *cells in _cells(table)
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def markdown_table(table: pd.DataFrame) -> str:
    lines = [["", *map(str, table.columns)], ["---", *["--:"] * table.shape[1]], *_cells(table)]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def latex_table(table: pd.DataFrame) -> str:
    head, *body = [" & ".join(map(_latex, row)) + r" \\" for row in (["", *map(str, table.columns)], *_cells(table))]
    lines = [r"\toprule", head, r"\midrule", *body, r"\bottomrule"]
    return "\n".join([rf"\begin{{tabular}}{{l{'r' * table.shape[1]}}}", *lines, r"\end{tabular}"])


_ESCAPES = {
    "\\": r"\textbackslash{}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
    "^": r"\^{}", "~": r"\~{}", ">": r"\textgreater{}", "<": r"\textless{}", "|": r"\textbar{}",
}  # fmt: skip


def _latex(text: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in text)
