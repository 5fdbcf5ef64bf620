"""The sections of a report, each from values to HTML."""

import platform
from collections.abc import Mapping, Sequence
from html import escape
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from behavior_learning import plots
from behavior_learning.encoding import TableEncoder
from behavior_learning.explanation.effects import Effects
from behavior_learning.explanation.legend import Legend
from behavior_learning.explanation.simplified import SimplifiedProblem
from behavior_learning.explanation.statements import Explanation, Statement
from behavior_learning.inference.results import InferenceResults
from behavior_learning.report.explorer import decoded
from behavior_learning.report.markup import inline_svg, pairs_table, paragraphs, sortable_table, template
from behavior_learning.report.mathml import block_rows, sum_row
from behavior_learning.report.predictive import ClassLaw, NumberLaw, Rows, spaced
from behavior_learning.symbolic.coefficients import row_name
from behavior_learning.symbolic.polynomials import Monomial
from behavior_learning.symbolic.problem import Block, Problem
from behavior_learning.symbolic.text import format_monomial, shorten

__all__ = [
    "calibration",
    "data",
    "effects",
    "explanation",
    "explorer",
    "inference",
    "problem",
    "quality",
    "settings",
    "simplified",
    "training",
]

Distributions = Sequence[NumberLaw | ClassLaw]

SHOWN_ROWS = 150
"""Rows in the picture of predictions and intervals."""

TERMS = 5
"""Terms of a row that its equation shows."""

LISTED = 3000
"""Coefficients listed in all."""

DRAWN_BLOCKS = 8
"""Blocks whose computation graphs are drawn."""

FAITHFUL = 0.9
"""R² of a simplified utility below which the report warns of it."""

CURVES = 4
"""Variables whose curves are drawn."""


def quality(distributions: Distributions, scores: Mapping[str, pd.DataFrame], rows: Rows, joint: str) -> str:
    """How well the model does on the rows, beside simple predictions: a table of scores for each response."""
    origin = paragraphs(f"On {len(rows):,} rows that were given to the report. What follows refers to them.")
    if rows.seen:
        origin = (
            f'<p class="caution">On the {len(rows):,} rows that the model was fitted to, so that it looks better here '
            "than it will on new rows. For an honest figure give the report rows that the fit has not seen.</p>"
        )
    parts = [_quality_of(law, scores[law.part.name], len(distributions) > 1) for law in distributions]
    return origin + paragraphs(joint) + "".join(parts)


def _quality_of(predicted: NumberLaw | ClassLaw, scores: pd.DataFrame, several: bool) -> str:
    name = predicted.part.name
    parts = [f"<h3>{escape(name)}</h3>" if several else ""]
    parts.append(sortable_table(scores.round(4), f"Scores of {name}, beside simple predictions"))
    if isinstance(predicted, ClassLaw):
        parts.append(sortable_table(predicted.confusion(), f"Observed and predicted {name}, in rows"))
        return "".join(parts)
    unknown = int((~predicted.known).sum())
    if unknown:
        known = "the scores are of the others, the picture shows the bound"
        parts.append(paragraphs(f"Of {name}, {unknown:,} rows give no more than bounds (censored): {known}."))
    shown = spaced(len(predicted.mean), SHOWN_ROWS)
    figure = plots.prediction_intervals(
        predicted.observed[shown], predicted.mean[shown], predicted.interval(0.9)[shown], coverage=0.9, name=name
    )
    caption = f"Observed {name} beside the predicted mean and 90 % interval of {len(shown)} rows, by prediction"
    return "".join(parts) + inline_svg(figure, f"intervals-{_slug(name)}", caption)


Errors = Mapping[tuple[str, int], Mapping[Monomial, float]]
"""Standard errors by block, number of the term in it, and monomial."""


def problem(learned: Problem, titles: Mapping[str, str], errors: Errors | None = None) -> str:
    """The equations: the hierarchy as a diagram that leads to its blocks, and every block with all its coefficients.

    Parameters
    ----------
    titles : what blocks are called beside their names.
    errors : of the coefficients, where there was inference.
    """
    places = {b.name: f"block-{i}-{j}" for i, layer in enumerate(learned.layers, 1) for j, b in enumerate(layer, 1)}
    diagram = inline_svg(
        plots.hierarchy(learned, titles=titles, links={name: f"#{place}" for name, place in places.items()}),
        "hierarchy",
        "What each block wants, is limited by and believes: its strongest terms and their signs. "
        "A line is as wide as the lower block's share in the upper one. Choose a block to read its equations.",
    )
    rows = sum(len(block.head_terms) for block in learned.blocks.values())
    listed = int(np.clip(LISTED // max(rows, 1), TERMS, 60))
    blocks = [
        _block(
            b, titles.get(b.name, ""), places[b.name], listed, errors, drawn=number < DRAWN_BLOCKS, opened=number == 0
        )
        for number, b in enumerate(learned.downwards)
    ]
    deviations = learned.layers[-1][0].standard_deviations
    sums = "".join(sum_row(name, shorten(output, deviations, 8)) for name, output in learned.readouts.items())
    outputs = f'<div class="problem">{sums}</div>' if sums else ""
    return paragraphs(HOW_TO_READ[learned.chooses]) + diagram + outputs + "".join(blocks)


HOW_TO_READ = {
    True: "Each block is an optimisation problem: it chooses the response that is best for what it maximises, at a "
    "price for every constraint that is violated. In a constraint's penalty v stands for its left-hand side. "
    "Coefficients are in the units of the table, terms are ordered by how far they move over the training rows.",
    False: "Each block rewards and penalises what it sees of a row; every class adds the blocks up with weights of "
    "its own. Coefficients are in the units of the table, strongest terms first; v stands for the left-hand side.",
}
"""What equations say, by whether the response is chosen by the blocks."""


def _block(
    block: Block, title: str, identifier: str, listed: int, errors: Errors | None, *, drawn: bool, opened: bool
) -> str:
    picture = ""
    if drawn:
        what = "an arrow onto an arrow is an interaction or a square"
        caption = f"The rows of {block.name} as computation graphs: {what}"
        picture = inline_svg(plots.block_graph(block), f"{identifier}-graph", caption)
    title = f"{block.name}, {title}" if title not in ("", block.name) else block.name
    lines = []
    for number, term in enumerate(block.head_terms):
        known = (errors or {}).get((block.name, number), {})
        polynomial, row = term.polynomial, row_name(block, term)
        strengths = polynomial.strengths(block.standard_deviations)
        total = sum(strengths.values()) or 1.0
        for m in sorted(strengths, key=lambda monomial: -strengths[monomial])[:listed]:
            share = 100 * strengths[m] / total
            lines.append((row, format_monomial(m), polynomial.coefficients[m], known.get(m, np.nan), share))
        lines.append((row, "constant", polynomial.constant, known.get((), np.nan), 0.0))
    columns = ["row", "term", "coefficient", "std. error", "share of strength (%)"]
    coefficients = pd.DataFrame(lines, columns=columns).drop(columns=[] if errors else ["std. error"])
    caption = f"Coefficients of {block.name}, {listed} strongest of each row"
    table = sortable_table(coefficients, caption, key=False)
    return (
        f'<details id="{identifier}"{" open" if opened else ""}><summary>{escape(title)}</summary>'
        f"{block_rows(block, TERMS)}{picture}<details><summary>Its coefficients</summary>{table}</details></details>"
    )


def simplified(found: SimplifiedProblem) -> str:
    """The problem in brief, what was left out of it, and how faithful it is."""
    rows = "".join(f"<h3>{escape(b.name)}</h3>{block_rows(b, None, found.digits)}" for b in found.shown.downwards)
    listed = "".join(f"<li>{escape(residual.text(found.digits))}</li>" for residual in found.residuals)
    where = f"<details><summary>What the residuals stand for</summary><ul>{listed}</ul></details>" if listed else ""
    note = "The strongest terms of every row, the others collected in a residual."
    fidelity = f"Fidelity: {found.fidelity}."
    if found.fidelity.r2 < FAITHFUL:
        fidelity += (
            " That is too little to stand for the problem: read it as a sketch, and the problem above for what holds."
        )
    kind = ' class="caution"' if found.fidelity.r2 < FAITHFUL else ""
    return paragraphs(note) + f"<p{kind}>{escape(fidelity)}</p>" + rows + where


def explanation(found: Explanation) -> str:
    """What every row says, bottom-up, with the numbers behind it."""
    note = (
        f"Bottom-up; every number is over {found.rows:,} rows. Movements are standard deviations over p(y|x), what "
        "depends on the inputs alone taken off. A block that does not raise the whole almost always wants nothing."
    )
    if any(statement.frequency is not None for statement in found.said):
        note += " A frequency is the share of refits that say the same: what appears by chance does not recur."
    else:
        note += " How stable the statements are was not computed: pass stability=model.stability() to the report."
    layers: dict[int, dict[str, list[Statement]]] = {}
    for statement in found.said:
        layers.setdefault(statement.layer, {}).setdefault(statement.block, []).append(statement)
    types = found.types.assign(share=100 * found.types["share"], sign_share=100 * found.types["sign_share"])
    columns = {"share": "share of its layer (%)", "sign_share": "raises the whole (% of cases)"}
    parts = [paragraphs(note), sortable_table(types.rename(columns=columns), "What every block stands for")]
    for number, blocks in layers.items():
        outputs = all(statement.head == "output" for own in blocks.values() for statement in own)
        parts.append(f"<h3>{'The whole' if outputs else f'Layer {number}'}</h3>")
        parts += map(_statements, blocks.values())
    return "".join(parts)


def _statements(statements: Sequence[Statement]) -> str:
    """What one block says."""
    first = statements[0]
    title = first.block if first.title == first.block else f"{first.block}, {first.title}"
    title += "" if first.head == "output" else f" ({first.entering})"
    lines = "".join(
        f'<li class="{escape(s.head)}"><span class="said">{escape(s.text)}</span> '
        f'<span class="rest">{escape(s.numbers)}</span></li>'
        for s in statements
    )
    return f'<h4>{escape(title)}</h4><ul class="statements">{lines}</ul>'


def effects(found: Effects, contributions: pd.DataFrame) -> str:
    """Average effects of the variables with their intervals, curves, and what the heads contribute."""
    what = "Average effects on" if found.quantity.effects else "Average of"
    note = (
        f"{what} {found.quantity.description} over {len(found.x):,} rows: per unit of a number, between two values, "
        f"or between levels. Standard errors: {found.estimator.description}."
    )
    if found.estimator.unknown:
        note += (
            " Averages are the model's own. Pass inference=model.inference() to the report for errors, or see "
            "model.effects(), which puts averages right by what y leaves over and has bootstrap errors."
        )
    standardized = found.table(standardized=True)
    parts = contributions.std(ddof=0).rename("standard deviation")
    figures = [
        inline_svg(plots.effects(standardized), "average-effects", "Effects per standard deviation of the column"),
        *_curves(found, standardized),
        inline_svg(
            plots.contributions(parts, total=False),
            "contributions",
            "How far each head of the last layer moves the utility of a response, what depends on the inputs alone off",
        ),
    ]
    order = standardized["estimate"].abs().sort_values(ascending=False).index
    shown = found.table().loc[order].head(200).reset_index()
    table = sortable_table(shown.rename(columns=lambda name: str(name).replace("_", " ")), "Average effects", key=False)
    return paragraphs(note) + f'<div class="figures">{"".join(figures)}</div>{table}'


def _curves(found: Effects, standardized: pd.DataFrame) -> list[str]:
    """Along the numbers with the largest effects."""
    if not found.quantity.effects:
        return []
    strongest = standardized["estimate"].abs().groupby(level="variable").max().sort_values(ascending=False).index
    names = {axis.name for axis in found.axes if axis.sloped and not axis.absent(found.x).all()}
    chosen = [name for name in strongest if name in names][:CURVES]
    caption = f"{found.quantity.description} along {{}}, averaged over rows"
    return [
        inline_svg(plots.curve(found.curve(name), ylabel="average"), f"curve-{i}", caption.format(name))
        for i, name in enumerate(chosen)
    ]


def explorer(labels: Sequence[str], responses: Sequence[str]) -> str:
    """Controls and empty charts that the page's script fills."""
    listed, names = ("".join(f"<option>{escape(n)}</option>" for n in names) for names in (labels, responses))
    several = len(responses) > 1
    choice = f'<label>Response <select id="explorer-response">{names}</select></label>' if several else ""
    beside = "Of several responses each is shown with the others integrated out." if several else ""
    return template("explorer.html").substitute(rows=listed, responses=choice, beside=beside)


def calibration(distributions: Distributions) -> str:
    """Do probabilities hold?"""
    figures = ""
    for predicted in distributions:
        name, slug = predicted.part.name, _slug(predicted.part.name)
        if isinstance(predicted, ClassLaw):
            levels = list(map(str, predicted.part.levels or ()))
            figure = plots.reliability(predicted.probabilities, predicted.observed, levels)
            caption = f"Reliability of {name}: predicted probability and observed frequency"
            figures += inline_svg(figure, f"reliability-{slug}", caption)
        else:
            pit = predicted.pit[predicted.known]
            caption = f"Where {name} falls in its predicted distribution: flat if that holds"
            figures += inline_svg(plots.pit_histogram(pit), f"pit-{slug}", caption)
            caption = f"Intervals of {name}: what they claim and what they hold"
            figures += inline_svg(plots.coverage(pit), f"coverage-{slug}", caption)
    return f'<div class="figures">{figures}</div>'


def inference(results: InferenceResults) -> str:
    """Estimates with standard errors, as the summary of the results says them."""
    summary = results.summary()
    tables = "".join(sortable_table(table, caption) for caption, table in summary.tables.items())
    notes = "".join(f"<li>{escape(note)}</li>" for note in summary.notes)
    figures = inline_svg(
        plots.coefficients(results),
        "forest",
        "Estimates and 95 % intervals on standardised columns; hollow without a standard error",
    )
    figures += inline_svg(
        plots.local_optima(results.local_optima), "local_optima", "Where searches from several starts ended"
    )
    return f'{pairs_table(summary.facts, "How it was estimated")}{tables}<div class="figures">{figures}</div>' + (
        f"<ul>{notes}</ul>" if notes else ""
    )


def training(history: pd.DataFrame, restarts: pd.DataFrame) -> str:
    """Losses by epoch and outcomes of the starts."""
    figure = inline_svg(
        plots.training(history, restarts), "training", "Loss by epoch, in nats per row on standardised responses"
    )
    table = restarts.rename(columns=lambda name: name.replace("_", " ")).rename_axis("start")
    return figure + sortable_table(table, "Every start: its best epoch and validation loss")


def data(encoder: TableEncoder, rows: Rows | None, legend: Legend) -> str:
    """What the columns are, in training and in the rows of the report."""
    if not encoder.names:
        return paragraphs("The model has no inputs: it is a distribution of its responses.")
    table = pd.DataFrame({name: _column(encoder, name) for name in encoder.names}).T.rename_axis("column")
    if legend.descriptions:
        table.insert(0, "description", [legend.descriptions.get(name, "") for name in encoder.names])
    if legend.themes:
        table.insert(0, "theme", [legend.theme_of.get(name, "") for name in encoder.names])
    if rows is not None:
        shown = decoded(encoder, rows.x)
        numbers = shown.select_dtypes("number")
        table["minimum here"], table["maximum here"] = numbers.min(), numbers.max()
        table["missing here (%)"] = 100 * shown.isna().mean()
    return sortable_table(table.infer_objects(), "Columns, with mean and standard deviation over the training rows")


def _column(encoder: TableEncoder, name: str) -> dict[str, Any]:
    own = [column for column in encoder.columns if column.source == name]
    if own[0].is_number:
        return {
            "kind": "number" if own[0].kind == "numeric" else "days",
            "mean": own[0].center,
            "standard deviation": own[0].spread,
            "levels": "",
        }
    levels = ", ".join(column.level or column.kind for column in own)
    return {"kind": "category", "mean": np.nan, "standard deviation": np.nan, "levels": levels}


def settings(parameters: Mapping[str, tuple[Any, Any]], facts: Mapping[str, str]) -> str:
    """What is needed to make the model again: every hyperparameter with its default, and facts of the model."""
    changed = {n: repr(value) for n, (value, default) in parameters.items() if repr(value) != repr(default)}
    rest = {n: repr(value) for n, (value, _) in parameters.items() if n not in changed}
    packages = ("behavior-learning", "jax", "equinox", "optax", "numpy", "scipy", "pandas", "scikit-learn")
    versions = {"Python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    versions |= {package: version(package) for package in packages}
    return (
        pairs_table(dict(facts), "The model")
        + pairs_table(changed, "Hyperparameters that were set")
        + f"<details><summary>Hyperparameters at their defaults</summary>{pairs_table(rest, 'Defaults')}</details>"
        + pairs_table(versions, "Versions that wrote this report")
    )


def _slug(name: str) -> str:
    """A name as part of an identifier: letters and digits as they are, the rest by number."""
    return "".join(c if c.isascii() and c.isalnum() else f"-{ord(c)}-" for c in name)
