"""Claims about the report: it is one page that loads nothing, it escapes what is not its own, and its numbers hold."""

import json
import re
from copy import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from typer.testing import CliRunner

import behavior_learning as bl
from behavior_learning.cli import app
from behavior_learning.errors import DataError, OptionError
from behavior_learning.inference.tables import Estimates, Summary
from behavior_learning.report import Report, sections
from behavior_learning.report.about import fingerprint, limits
from behavior_learning.report.comparators import comparators
from behavior_learning.report.explorer import decoded
from behavior_learning.report.markup import embedded_json, sortable_table
from behavior_learning.report.mathml import block_rows
from behavior_learning.report.predictive import LEVELS, Rows, class_law, number_law
from behavior_learning.report.subgroups import by_group
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm
from behavior_learning.symbolic.text import format_number, format_shortened, shorten_term
from tests.conftest import SPELLED, rng
from tests.fitted import fitted, mixed, response
from tests.jointly import density, hybrid, vector
from tests.report.pages import ESTIMATORS, HOSTILE, Page, hostile, page
from tests.symbolic.networks import Drawn

every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)
PAGES = {
    "regressor": lambda: page(bl.BLRegressor),
    "classifier": lambda: page(bl.BLClassifier),
    "seen": lambda: page(bl.BLRegressor, seen=True),
    "hostile": hostile,
}
every_page = pytest.mark.parametrize("name", PAGES)

SECTIONS = [
    "about",
    "quality",
    "limits",
    "problem",
    "simplified",
    "explanation",
    "effects",
    "rows",
    "calibration",
    "training",
    "data",
    "settings",
]


def explorer(html):
    found = re.search(r'<script type="application/json" id="explorer-data">(.*?)</script>', html, re.S)
    return json.loads(found[1])


# One page.


@every_page
def test_a_page_is_well_formed_and_has_every_section(name):
    parsed = Page(PAGES[name]())
    assert [section["id"] for section in parsed.all("section")] == SECTIONS
    assert {a["href"] for a in parsed.all("a")} >= {f"#{section}" for section in SECTIONS}


@every_page
def test_ids_are_unique_and_what_refers_to_them_finds_them(name):
    parsed = Page(PAGES[name]())
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = [
        a[key] for _, a in parsed.elements for key in ("href", "xlink:href") if a.get(key, "data:")[:5] != "data:"
    ]
    wanted += [f"#{a['aria-labelledby']}" for _, a in parsed.elements if "aria-labelledby" in a]
    wanted += re.findall(r"url\((#[^)]*)\)", PAGES[name]())
    assert {reference.removeprefix("#") for reference in wanted} <= set(ids)


@every_page
def test_nothing_is_loaded_from_elsewhere(name):
    html = PAGES[name]()
    parsed = Page(html)
    addresses = [value or "" for _, a in parsed.elements for key, value in a.items()
                 if key in ("src", "href", "xlink:href", "action", "data", "srcset")]  # fmt: skip
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert not re.search(r"@import|url\((?!#)", html)
    (policy,) = [m["content"] for m in parsed.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")


@every_page
def test_a_page_is_small(name):
    assert len(PAGES[name]().encode()) < 1.5e6


@every_page
def test_every_figure_says_what_it_shows_and_every_control_has_a_name(name):
    parsed = Page(PAGES[name]())
    drawn = [svg for svg in parsed.all("svg") if svg.get("class") == "plot"]
    assert len(drawn) >= 5
    assert all(svg["aria-label"] and svg["role"] in ("img", "group") for svg in drawn)
    regions = [a for _, a in parsed.elements if a.get("role") == "region"]
    assert all(a["aria-label"] and a["tabindex"] == "0" for a in regions)
    assert {th.get("scope") for th in parsed.all("th")} <= {"col", "row"}


def test_figures_take_the_colors_of_the_page():
    html = page(bl.BLRegressor)
    figures = "".join(re.findall(r"<svg.*?</svg>", html, re.S))
    assert "currentColor" in figures
    assert "var(--paper)" in figures
    assert "#1b1b1f" not in figures.lower()
    assert "#fefefe" not in figures.lower()


# Escaping.


def test_hostile_names_are_text_and_nothing_else():
    html = hostile()
    parsed = Page(html)
    assert len(parsed.all("script")) == 2
    assert parsed.all("img") == []
    assert parsed.all("b") == []
    assert not [a for _, a in parsed.elements for name in a if name.startswith("on")]
    for name in HOSTILE:
        assert name in parsed.text or " ".join(name.split()) in parsed.text
    assert explorer(html)["columns"] == list(HOSTILE)
    assert HOSTILE[0] in "".join(data for parent, data in parsed.texts if parent == "title")


@pytest.mark.parametrize("value", ["</script>", "<!--<script>", "&amp;", "a\u2028b", 'q"\\'])
def test_embedded_data_cannot_end_its_element_and_reads_back(value):
    text = embedded_json("x", {"key": [value, 1.5]})
    inside = text.removeprefix('<script type="application/json" id="x">').removesuffix("</script>")
    assert not set("<>&\u2028") & set(inside)
    assert json.loads(inside) == {"key": [value, 1.5]}


def test_tables_escape_cells_and_keep_numbers_to_sort_by():
    html = sortable_table(pd.DataFrame({"<a>": [1234.5678, np.nan]}, pd.Index(["<x>", "&"], name="n")), "<cap>")
    parsed = Page(html)
    assert next(float(cell["data-value"]) for cell in parsed.all("td")) == pytest.approx(1234.5678)
    assert "<x>" in parsed.text
    assert "<cap>" in parsed.text


# Numbers.


def rows_of(model, X, y):
    """Encoded rows that the fit has not seen."""
    return Rows(*model.model_.given_rows("report", X, y), False, np.arange(len(X)))


@every_estimator
def test_scores_are_those_of_the_model(estimator):
    X = mixed()
    y, model = response(estimator, X), fitted(estimator)
    rows = rows_of(model, X, y)
    law = (number_law if estimator is bl.BLRegressor else class_law)(model.model_, 0, rows)
    scores = law.quality(comparators(model.model_, law, 0, rows))
    mine, base = scores.iloc[0], scores.iloc[1]
    assert mine["negative log-likelihood (nats)"] == pytest.approx(-model.log_density(X, y).mean(), rel=1e-4)
    if estimator is bl.BLRegressor:
        assert mine["R²"] == pytest.approx(model.score(X, y), rel=1e-4)
        assert mine["CRPS"] == pytest.approx(model.crps(X, y).mean(), rel=1e-4)
        inside = lambda ends: np.mean((y >= ends[:, 0]) & (y <= ends[:, 1]))
        assert mine["coverage of 90 % intervals"] == pytest.approx(inside(model.predict_interval(X)))
        part = model.model_.response
        simulated = norm(part.center, part.scale).rvs((20000, 1), random_state=np.random.RandomState(0))
        crps = np.abs(simulated - y.to_numpy()).mean() - 0.5 * np.abs(simulated[:10000] - simulated[10000:]).mean()
        assert base["CRPS"] == pytest.approx(crps, rel=0.02)
    else:
        assert mine["accuracy"] == pytest.approx(model.score(X, y))
        hot = np.eye(3)[rows.y.astype(int)]
        assert mine["Brier score"] == pytest.approx(((model.predict_proba(X) - hot) ** 2).sum(axis=1).mean(), rel=1e-4)
        assert law.confusion().to_numpy().sum() == len(X)
        assert np.trace(law.confusion().to_numpy()) == round(model.score(X, y) * len(X))


def test_pit_is_the_predicted_probability_of_less():
    X = mixed()
    y, model = response(bl.BLRegressor, X), fitted(bl.BLRegressor)
    law = number_law(model.model_, 0, rows_of(model, X, y))
    drawn = model.sample(X, 4000, random_state=0)
    assert np.allclose(law.pit, (drawn < y.to_numpy()[:, None]).mean(axis=1), atol=0.04)
    assert np.isin(np.float32([0.05, 0.95]), LEVELS.round(6).astype(np.float32)).all()


@every_estimator
def test_curves_of_the_explorer_are_the_utility_and_the_distribution(estimator):
    X = mixed()
    model, data = fitted(estimator), explorer(page(estimator))
    law, row = data["distributions"][0], 3
    at = X.iloc[[round(row * (len(X) - 1) / (len(data["values"]) - 1))]]
    if estimator is bl.BLRegressor:
        inside = slice(1, -1)  # the ends are rounded, perhaps to beyond the support
        y = np.array(law["y"][row])[inside]
        many = pd.concat([at] * len(y))
        close = np.isclose(law["density"][row][inside], np.exp(model.log_density(many, y)), rtol=0.02, atol=1e-4)
        utility = model.utility(many, y)
        assert np.mean(close) > 0.9, "y is rounded, so that single points on a slope may differ"
        assert np.allclose(law["utility"][row][inside], utility - utility.max(), atol=0.05 * np.ptp(utility))
    else:
        assert np.allclose(law["density"][row], model.predict_proba(at)[0], rtol=1e-3)
        assert max(law["utility"][row]) == 0.0


@every_estimator
def test_contributions_of_the_explorer_sum_to_their_total(estimator):
    parts = explorer(page(estimator))["contributions"]
    values = np.array(parts["values"])
    assert parts["names"][-1] == "total"
    assert np.allclose(values[:, :-1].sum(axis=1), values[:, -1], atol=2e-3 * np.abs(values).max())
    assert len(parts["kinds"]) == len(parts["names"]) == values.shape[1]


def test_rows_are_decoded_as_the_user_wrote_them():
    X, model = mixed(), fitted(bl.BLRegressor)
    shown = decoded(model.model_.encoder, model.model_.encoder(X))
    assert np.allclose(shown["income"], X["income"])
    assert (shown["job"] == X["job"]).all()
    assert (shown["age"].isna() == X["age"].isna()).all()


# Equations.


@pytest.mark.parametrize(("role", "head"), [(role, head) for role, heads in SPELLED.items() for head in heads])
def test_every_head_has_a_formula_that_says_what_the_text_says(role, head):
    heads = tuple(head if name == role else None for name in ("utility", "inequality", "equality"))
    (learned,) = Drawn(layers=(1,), heads=heads, rows=(2, 2, 2)).problem.blocks.values()
    html = block_rows(learned, 2)
    text = Page(html).text
    for term in learned.head_terms:
        brief = shorten_term(term, learned.standard_deviations, 2)
        written = format_shortened(brief).replace("*", "·").replace("-", "−")
        written = written.replace("[tax rate]", "tax rate").replace("[job[teacher]]", "job[teacher]")
        assert _bare(written) in _bare(text)
    assert html.count("<math>") == html.count("</math>") > 2
    assert html.count('class="row') == 2


def _bare(text):
    """Without spaces, and exponents as MathML's text has them."""
    return re.sub(
        r"\s|\^|,", "", re.sub(r"(\d)e([−+])0*(\d+)", lambda m: f"{m[1]}×10{'−' if m[2] == '−' else ''}{m[3]}", text)
    )


def test_a_product_is_written_with_its_signs():
    factors = (Polynomial({(("p", 1),): -1.0, (): 1.0}), Polynomial({(("p", 1),): 1.0, (("r", 1),): -1.0, (): 1.0}))
    whole = Polynomial.product(factors)
    term = HeadTerm(fitted(bl.BLRegressor).problem_.layers[0][0].head_terms[0].head, 1.0, whole, factors=factors)
    text = _bare(Page(block_rows(Block("u", (term,), ("p",), {"p": 1.0, "r": 1.0}), None)).text)
    assert "(−p+1)·(p−r+1)" in text


@every_estimator
def test_every_block_stands_in_the_page_with_its_coefficients(estimator):
    parsed, learned = Page(page(estimator)), fitted(estimator).problem_
    ids = {details.get("id") for details in parsed.all("details")}
    assert {f"block-{i}-{j}" for i, layer in enumerate(learned.layers, 1) for j, _ in enumerate(layer, 1)} <= ids
    term = learned.layers[0][0].head_terms[0]
    for value in term.polynomial.monomials.values():
        assert f'data-value="{value:.10g}"' in page(estimator)


# What it is of.


def test_rows_of_the_fit_are_flagged():
    assert "rows that the model was fitted to" in page(bl.BLRegressor, seen=True)
    assert "rows that the model was fitted to" not in page(bl.BLRegressor)


def test_a_page_says_what_it_is_for_and_takes_further_tables():
    X = mixed()
    table = pd.DataFrame({"effect": [0.25]}, index=pd.Index(["<all>"], name="rows"))
    model = fitted(bl.BLRegressor)
    told = {"purpose": "Rents & <b>fees</b>", "source": "Register, 2024", "tables": {"Fees up by 1": table}}
    parsed = Page(model.report(None, X, response(bl.BLRegressor, X), subgroups=["job"], **told).html)
    assert [section["id"] for section in parsed.all("section")][:4] == ["about", "quality", "subgroups", "limits"]
    for text in ("Rents & <b>fees</b>", "Register, 2024", "Fees up by 1", "<all>", "0.25", "nurse"):
        assert text in parsed.text


def test_a_fingerprint_is_that_of_the_rows():
    x, y = np.arange(6.0).reshape(3, 2), np.ones(3)
    changed = np.where(x == 4.0, np.nextafter(4.0, 5.0), x)
    assert fingerprint(x, y) == fingerprint(x.copy(), y) != fingerprint(changed, y)


def test_simple_predictions_are_of_the_rows_that_trained_and_their_errors_of_those_held_out():
    X = mixed(1)
    model = fitted(bl.BLRegressor).model_
    rows = rows_of(fitted(bl.BLRegressor), X, response(bl.BLRegressor, X))
    law = number_law(model, 0, rows)
    found = comparators(model, law, 0, rows)["linear regression, Gaussian"]
    train, held_out = ~model.rows.held_out, model.rows.held_out
    design, y = np.c_[np.ones(len(model.rows.x)), model.rows.x], model.response.restore(model.rows.y)
    b, *_ = np.linalg.lstsq(design[train], y[train])
    assert found.mean == pytest.approx(np.c_[np.ones(len(X)), rows.x] @ b)
    assert found.scale == pytest.approx(np.sqrt(np.mean((y - design @ b)[held_out] ** 2)))
    scores = law.quality({"linear": found}).loc["linear"]
    assert scores["negative log-likelihood (nats)"] == -norm(found.mean, found.scale).logpdf(law.observed).mean()
    assert list(comparators(model, law, 0, replace(rows, seen=True))) == ["training mean, Gaussian"]


def test_a_page_names_the_simple_prediction_that_is_better_and_rows_outside_the_range_of_the_fit():
    X = mixed(1).assign(income=1e5)
    y, model = response(bl.BLClassifier, X), fitted(bl.BLClassifier).model_
    rows = rows_of(fitted(bl.BLClassifier), X, y)
    law = class_law(model, 0, rows)
    others = {"a coin": np.full((len(X), 3), 1 / 3), "a prophet": np.eye(3)[rows.y.astype(int)]}
    said = limits(model, rows, {"mode": law.losses(others)}, [law], None, None)
    ahead = -law.log_likelihood
    error = ahead.std(ddof=1) / np.sqrt(len(ahead))
    assert f"a prophet predicts these rows better than the model, by {ahead.mean():.2f} ± {error:.2f} nats" in said
    chance = {"its echo": law.probabilities * (1 + 1e-6 * rng("echo").normal(size=law.probabilities.shape))}
    assert "its echo" not in limits(model, rows, {"mode": law.losses(chance)}, [law], None, None)
    assert f"{len(X)} of {len(X)} rows have a column outside" in said


def test_groups_are_levels_of_a_category_and_quarters_of_a_number():
    X = mixed()
    y, model = response(bl.BLRegressor, X), fitted(bl.BLRegressor)
    rows = rows_of(model, X, y)
    law = number_law(model.model_, 0, rows)
    first = law.of_group(np.flatnonzero(X.job == "nurse"))
    assert first["rows"] == (X.job == "nurse").sum()
    assert first["observed mean"] == pytest.approx(y[X.job == "nurse"].mean(), rel=1e-6)
    assert first["predicted mean"] == pytest.approx(model.predict(X[X.job == "nurse"]).mean(), rel=1e-4)
    cells = [text for _, text in Page(by_group(["income", "job"], model.model_.encoder, rows, [law])).texts]
    assert {"clerk", "nurse", "teacher"} < set(cells)
    assert sum(re.fullmatch(r"\d\S* to \S+", text) is not None for text in cells) == 4


def test_a_model_from_a_file_without_rows_has_no_scores_and_says_so(tmp_path):
    path = tmp_path / "model.bl"
    fitted(bl.BLRegressor).save(path)
    parsed = Page(bl.load(path).report(tmp_path / "page.html").html)
    assert [section["id"] for section in parsed.all("section")] == [
        "about",
        "quality",
        "limits",
        "problem",
        "training",
        "data",
        "settings",
    ]
    assert "No rows were given" in parsed.text
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_settings_make_the_model_again():
    model, text = fitted(bl.BLRegressor), Page(page(bl.BLRegressor)).text
    for name, value in model.get_params(deep=False).items():
        assert name in text
        assert repr(value) in text
    assert "behavior-learning" in text


def test_names_that_the_user_gave_to_blocks_are_used():
    model = copy(fitted(bl.BLRegressor))
    model.rename_blocks({"block1.1": "the <budget>", "block2.1": "the whole"})
    parsed = Page(model.report().html)
    assert "the <budget>" in parsed.text
    assert "block1.1" not in parsed.text
    assert "block2.1" not in parsed.text


@pytest.mark.slow
@pytest.mark.parametrize("model", [density, hybrid, vector])
def test_several_responses_have_a_report_of_each_part_and_of_all_together(model):
    html = model().report().html
    parsed, data = Page(html), explorer(html)
    assert "Joint negative log-likelihood" in parsed.text
    assert [law["name"] for law in data["distributions"]] == list(model().model_.response.names)
    assert ("The model has no inputs" in parsed.text) == (model is density)
    for law in data["distributions"]:
        mass = np.sum(law["density"][0]) if "classes" in law else np.trapezoid(law["density"][0], law["y"][0])
        assert mass == pytest.approx(1.0, abs=0.02)


def results_of(labels, notes):
    """Everything that the page shows of inference results."""
    estimates = Estimates.of(labels, np.arange(1.0, len(labels) + 1), np.eye(len(labels)))
    local_optima = pd.DataFrame(
        {"loss": [1.0], "reached": [3], "distance": [0.0], "gradient": [1e-9], "starts": [["fit"]]}
    )
    summary = Summary("Title", {"Rows": "12"}, {"On standardised columns": estimates.table()}, notes)
    return SimpleNamespace(
        summary=lambda: summary, local_optima=local_optima, params=estimates.params, conf_int=estimates.conf_int
    )


def test_inference_is_shown_with_its_tables_and_notes():
    labels = ["utility[a<b]", "equality[c]"]
    results = results_of(labels, ("no standard error, because <reason>",))
    parsed = Page(sections.inference(results))
    assert all(label in parsed.text for label in labels)
    assert "no standard error, because <reason>" in parsed.text
    numbers = [float(cell["data-value"]) for cell in parsed.all("td") if "data-value" in cell]
    assert numbers[:2] == [1.0, 1.0]
    assert len([svg for svg in parsed.all("svg") if svg.get("class") == "plot"]) == 2


@pytest.mark.slow
def test_a_report_with_inference_has_the_section():
    ibl = bl.BLRegressor(layers=(1,), identifiable=True, max_epochs=25, n_restarts=2, random_state=0)
    ibl.fit(mixed()[["income"]], response(bl.BLRegressor, mixed()))
    results = ibl.inference(n_restarts=0)
    parsed = Page(ibl.report(inference=results).html)
    assert "inference" in [section["id"] for section in parsed.all("section")]
    assert all(label in parsed.text for label in results.params.index)
    assert all(note in parsed.text for note in results.summary().notes)
    terms = [term for block in results.problem_.blocks.values() for term in block.head_terms]
    said = re.findall(r"λ = ([^;]*);", parsed.text)  # Of the explanation; one λ for one row everywhere.
    assert said == [format_number(term.multiplier, 2) for term in terms]
    shown = [f"{row}.multiplier" for row in ("utility", "inequality", "equality")]
    known = results.original.params
    assert [known[name] for name in shown if name in known] == pytest.approx(
        [t.multiplier for t in terms if f"{t.head.role}.multiplier" in known]
    )


def test_what_cannot_be_reported_is_refused(tmp_path):
    model = fitted(bl.BLRegressor)
    with pytest.raises(OptionError, match=r"model\.inference"):
        model.report(inference=True)
    with pytest.raises(OptionError, match=r"model\.stability"):
        model.report(stability=3)
    for options in ({"title": 3}, {"path": 3}, {"purpose": 3}, {"source": b"here"}):
        with pytest.raises(OptionError, match=f"{next(iter(options))} must be"):
            model.report(**options)
    with pytest.raises(OptionError, match="'town', which is no column"):
        model.report(subgroups=["town"])
    with pytest.raises(OptionError, match="DataFrames by their captions"):
        model.report(tables={"Fees": 3})
    with pytest.raises(DataError, match="it is a folder"):
        model.report(tmp_path)
    with pytest.raises(DataError, match="no folder"):
        model.report(tmp_path / "none" / "page.html")
    with pytest.raises(DataError):
        model.report(None, mixed().drop(columns="age"), response(bl.BLRegressor, mixed()))


def test_a_report_shows_itself_in_a_notebook():
    found = Report("A <title>", page(bl.BLRegressor))
    assert repr(found) == f"Report('A <title>', {len(found.html) / 1e6:.1f} MB)"
    (frame,) = Page(found._repr_html_()).all("iframe")
    assert frame["srcdoc"] == found.html


def test_the_command_refuses_a_table_without_the_response(tmp_path):
    fitted(bl.BLClassifier).save(tmp_path / "model.bl")
    mixed().to_csv(tmp_path / "bare.csv", index=False)
    arguments = ["report", tmp_path / "model.bl", "--data", tmp_path / "bare.csv", "-o", tmp_path / "r.html"]
    refused = CliRunner().invoke(app, list(map(str, arguments)))
    assert refused.exit_code == 2
    assert "has no column 'mode'" in refused.stderr
    assert not (tmp_path / "r.html").exists()


def test_the_command_writes_the_page_of_the_table_with_its_title():
    parsed = Page(page(bl.BLClassifier))
    assert [data for parent, data in parsed.texts if parent in ("title", "h1")] == ["From the shell"] * 2
    assert "On 80 rows that were given to the report" in parsed.text
