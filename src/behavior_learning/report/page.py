"""One self-contained page from a fitted model: written once, read without a server, a network or the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from behavior_learning.errors import OptionError
from behavior_learning.explanation.stability import Stability
from behavior_learning.files import check_writable, write_whole
from behavior_learning.inference.results import InferenceResults
from behavior_learning.learned.effects import Errors, effects_of
from behavior_learning.learned.evaluate import needs_chains
from behavior_learning.learned.explain import contributions_of, explain_model, simplify_model
from behavior_learning.learned.inference import model_at
from behavior_learning.learned.model import LearnedModel
from behavior_learning.learned.model import Rows as EncodedRows
from behavior_learning.options import check_returned
from behavior_learning.report import sections
from behavior_learning.report.about import about, limits
from behavior_learning.report.comparators import comparators
from behavior_learning.report.explorer import explorer_data
from behavior_learning.report.markup import embedded_json, sortable_table, template
from behavior_learning.report.predictive import (
    CHAIN_ROWS,
    ClassLaw,
    NumberLaw,
    Rows,
    joint_log_density,
    response_laws,
    spaced,
)
from behavior_learning.report.subgroups import by_group, check_subgroups

__all__ = ["Report", "write_report"]

EFFECT_ROWS, EXPLORED_ROWS, CALIBRATION_ROWS = 2000, 40, 5000
"""Rows behind the effects, rows that can be looked at one by one, and rows behind the calibration figures."""


@dataclass(frozen=True)
class Report:
    """An HTML page.

    Attributes
    ----------
    title : of the page.
    html : all of it; nothing is loaded from elsewhere.
    """

    title: str
    html: str

    def save(self, path: str | PathLike[str]) -> None:
        """Write the page to a file."""
        write_whole(path, self.html.encode())

    def _repr_html_(self) -> str:
        page = escape(self.html, quote=True)
        return f'<iframe title="{escape(self.title)}" srcdoc="{page}" width="100%" height="800"></iframe>'

    def __repr__(self) -> str:
        return f"Report({self.title!r}, {len(self.html) / 1e6:.1f} MB)"


def write_report(
    model: LearnedModel,
    path: str | PathLike[str] | None,
    rows: EncodedRows | None,
    *,
    title: str,
    settings: Mapping[str, tuple[Any, Any]],
    purpose: str | None = None,
    source: str | None = None,
    subgroups: Sequence[str] = (),
    tables: Mapping[str, pd.DataFrame] | None = None,
    scenarios: Mapping[str, pd.DataFrame] | None = None,
    inference: InferenceResults | None = None,
    stability: Stability | None = None,
) -> Report:
    """Report what a model learned and how well, as one HTML page.

    Parameters
    ----------
    path : where to write the page; None writes nothing.
    rows : encoded rows to report on, best such that the fit has not seen; by default those of the fit, and none for a
        model that was loaded from a file.
    title : of the page.
    settings : every hyperparameter with its default.
    purpose : what the model is for, and who answers for it.
    source : where the rows come from, and when.
    subgroups : columns by whose values the fit is judged as well.
    tables : further results by their captions.
    scenarios : tables of optima and of changed conditions by their captions, a section of their own.
    inference, stability : what `model.inference(...)` and `model.stability(...)` returned, to include; the report
        itself does not fit the model again. With `inference` the whole page is of the model at its estimates.

    Raises
    ------
    DataError
        If the folder of `path` does not exist, or `path` is a folder.
    OptionError
        If another argument is of the wrong kind.
    """
    check_returned("inference", inference, InferenceResults)
    check_returned("stability", stability, Stability)
    for name, text in {"title": title, "purpose": purpose or "", "source": source or ""}.items():
        if not isinstance(text, str):
            raise OptionError(f"{name} must be text; got {text!r}.")
    for caption, table in (tables or {}).items():
        if not isinstance(table, pd.DataFrame):
            raise OptionError(f"tables are DataFrames by their captions; that of {caption!r} is {table!r}.")
    groups = check_subgroups(subgroups, model.encoder)
    if not isinstance(path, (str, PathLike, type(None))):
        raise OptionError(f"path must be the name of a file to write, such as 'report.html'; got {path!r}.")
    if path is not None:
        check_writable(path)
    reported = model if inference is None else model_at(model, inference)
    known = rows or (None if reported.rows is None else (reported.rows.x, reported.rows.y))
    shown = None if known is None else Rows(*known, rows is None, np.arange(len(known[0])))
    laws = [] if shown is None else response_laws(reported, shown)
    parts, data = _judged(reported, shown, laws, groups, inference, stability)
    first = {"about": ("About this report", about(model, inference, shown, purpose, source))}
    parts = first | parts | _further(scenarios or {}, tables or {}) | _made(reported, shown, settings, inference)
    page = Report(title, _filled(title, _subtitle(reported, shown), parts, data))
    if path is not None:
        page.save(path)
    return page


Parts = dict[str, tuple[str, str]]
"""Sections by identifier: heading and content."""


def _judged(
    model: LearnedModel,
    rows: Rows | None,
    laws: list[NumberLaw | ClassLaw],
    groups: tuple[str, ...],
    inference: InferenceResults | None,
    stability: Stability | None,
) -> tuple[Parts, str]:
    """What was learned and how well, and the data behind the rows that can be looked at."""
    judged = None if rows is None else rows.spread(len(laws[0].observed))  # With chains a few of them.
    others = [] if judged is None else [comparators(model, law, j, judged) for j, law in enumerate(laws)]
    pairs = list(zip(laws, others, strict=True))
    scores = {law.part.name: law.quality(beside) for law, beside in pairs}
    losses = {law.part.name: law.losses(beside) for law, beside in pairs}
    quality = NO_ROWS if rows is None else sections.quality(laws, scores, rows, _joint(model, rows))
    data, parts = "", {"quality": ("Fit quality", quality)}
    if judged is not None and groups:
        parts["subgroups"] = "Subgroups", by_group(groups, model.encoder, judged, laws)
    parts["limits"] = "Limits", limits(model, rows, losses, laws, inference, stability)
    some = None if rows is None else rows.spread(EFFECT_ROWS)
    explained = None if some is None else explain_model(model, (some.x, some.y), stability)
    titles = {} if explained is None else {statement.block: statement.title for statement in explained.said}
    errors, one = None if inference is None else inference.errors_by_term, model.member(0)
    said = ESTIMATED * bool(errors) + MEAN.format(model.members) * (model.members > 1)
    parts["problem"] = "The problem", said + sections.problem(one.problem, titles, errors)
    if rows is not None and some is not None and explained is not None:
        brief = simplify_model(one, (some.x, some.y), terms=sections.TERMS, digits=2, factor=True, refit=True)
        parts["simplified"] = "In brief", sections.simplified(brief)
        parts["explanation"] = "Explanation", sections.explanation(explained)
        if not needs_chains(model.gibbs()):
            parts["effects"] = "Effects", _effects(model, some, inference)
            parts["rows"], data = _explorer(model, some, laws, len(rows))
        calibrated = spaced(len(laws[0].observed), CALIBRATION_ROWS)
        parts["calibration"] = "Calibration", sections.calibration([law.at(calibrated) for law in laws])
    return parts, data


def _further(scenarios: Mapping[str, pd.DataFrame], tables: Mapping[str, pd.DataFrame]) -> Parts:
    """Results that were passed: the problem solved again under other conditions, and others."""
    given = {"decisions": ("Decisions and scenarios", scenarios), "further": ("Further results", tables)}
    return {
        place: (title, "".join(sortable_table(table, caption) for caption, table in own.items()))
        for place, (title, own) in given.items()
        if own
    }


def _made(
    model: LearnedModel,
    rows: Rows | None,
    settings: Mapping[str, tuple[Any, Any]],
    inference: InferenceResults | None,
) -> Parts:
    """How the model was estimated, trained and set."""
    parts = {} if inference is None else {"inference": ("Inference", sections.inference(inference))}
    if len(model.history):  # A problem that was discovered was not trained by epochs.
        parts["training"] = "Training", sections.training(model.history, model.restarts)
    parts["data"] = "Data", sections.data(model.encoder, rows, model.legend)
    parts["settings"] = "Settings", sections.settings(settings, _facts(model))
    return parts


ESTIMATED = (
    "<p>This page is of the model at the estimates of inference, the optimum on all of its rows, and coefficients have "
    "their standard errors beside them; training, which stops early, was the way there.</p>"
)

MEAN = (
    "<p>The model is the mean of {} problems, to predict with: predictions, scores and effects are of all of them. "
    "What is printed and explained is one of them, the best on the rows that it has not seen.</p>"
)

NO_ROWS = (
    '<p class="caution">No rows were given, so that there are no scores, effects or calibration here. Pass X and y to '
    "the report, or --data on the command line.</p>"
)


def _effects(model: LearnedModel, some: Rows, inference: InferenceResults | None) -> str:
    """Effects of the variables, of a density the marginal utilities of its columns; errors where inference is given."""
    of, rows = "mean" if model.encoder.columns else "marginal_utility", (some.x, some.y)
    errors = Errors("none") if inference is None else Errors("delta", inference)
    found = effects_of(model, rows, of=of, errors=errors, fitted_to=lambda: rows)
    return sections.effects(found, contributions_of(model, rows))


def _explorer(
    model: LearnedModel, some: Rows, laws: list[NumberLaw | ClassLaw], total: int
) -> tuple[tuple[str, str], str]:
    """The section that shows one row at a time, and its data: of a few of the rows that have effects."""
    index = spaced(len(some), EXPLORED_ROWS)
    few = some.at(index)
    shown = explorer_data(model, few, [law.at(few.positions) for law in laws], contributions_of(model, (few.x, few.y)))
    labels = [f"{position + 1:,} of {total:,}" for position in few.positions]
    names = [part.name for part in model.response.components]
    return ("One row at a time", sections.explorer(labels, names)), embedded_json("explorer-data", shown)


def _joint(model: LearnedModel, rows: Rows) -> str:
    """What the scores of several responses do not say: how they go together."""
    if len(model.response.components) == 1:
        return ""
    if needs_chains(model.gibbs()):
        return (
            f"More than two numbers have no likelihood that could be computed; the scores below are from Markov chains "
            f"on {min(CHAIN_ROWS, len(rows))} rows."
        )
    log_density = joint_log_density(model, rows)
    return f"Joint negative log-likelihood of all responses: {-log_density:.3f} nats per row. Below each by itself."


def _shape(model: LearnedModel) -> str:
    return f"BL[{','.join(map(str, model.network.architecture.layers))}]"


def _facts(model: LearnedModel) -> dict[str, str]:
    architecture = model.network.architecture
    heads = ", ".join(str(name) for name in architecture.heads if name is not None)
    objective = model.objective.to_json()
    numbers = ", ".join(f"{k} {v:.4g}" for k, v in objective.items() if isinstance(v, float) and k != "temperature")
    facts = {
        "architecture": f"{_shape(model)}, heads {heads}, {architecture.output} output",
        "parameters": f"{model.network.n_parameters:,}",
        "temperature": f"{model.temperature:.6g}",
        "objective": objective["kind"] + (f", {numbers}" if numbers else ""),
    }
    ends = {part.name: part.ends() for part in model.response.components}
    bounded = {name: (low, high) for name, (low, high) in ends.items() if np.isfinite([low, high]).all()}
    return facts | {f"support of {name}": f"{low:.6g} to {high:.6g}" for name, (low, high) in bounded.items()}


def _subtitle(model: LearnedModel, rows: Rows | None) -> str:
    inputs = len(model.encoder.names)
    seen = f"{inputs} column{'s' if inputs != 1 else ''}" if inputs else "no inputs"
    counted = f"; reported on {len(rows):,} rows" if rows is not None else ""
    return f"{_shape(model)} of {model.response.name} given {seen}, {model.network.n_parameters:,} parameters{counted}"


def _filled(title: str, subtitle: str, parts: Parts, data: str) -> str:
    """The template with its sections; everything that came from the user is escaped by now, but for the two titles."""
    links = "\n".join(f'<li><a href="#{name}">{heading}</a></li>' for name, (heading, _) in parts.items())
    body = "\n".join(
        f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{heading}</h2>\n{content}</section>'
        for name, (heading, content) in parts.items()
    )
    written = f"Written by behavior-learning {version('behavior-learning')} on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
    return template("page.html").substitute(
        title=escape(title),
        subtitle=escape(subtitle),
        navigation=links,
        main=body,
        footer=escape(written),
        data=data,
        style=template("style.css").template,
        script=template("page.js").template,
    )
