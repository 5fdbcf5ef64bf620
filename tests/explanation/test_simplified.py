"""Claims about simplified problems: what is printed is what is measured, residuals are exact, fidelity is stated."""

import numpy as np
import pytest
from scipy.special import softmax

import behavior_learning as bl
from behavior_learning.core.heads import get_head
from behavior_learning.errors import DataError, OptionError
from behavior_learning.explanation.simplified import compare_utilities, simplify_problem
from behavior_learning.learned.model import some_rows
from behavior_learning.symbolic.evaluate import block_utilities, table_values
from behavior_learning.symbolic.facade import LearnedProblem
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm
from behavior_learning.symbolic.read_json import from_json
from tests.conftest import rng
from tests.fitted import fitted, labels, mixed, numbers, response
from tests.jointly import density, hybrid
from tests.symbolic.networks import Drawn

pytestmark = pytest.mark.usefixtures("float64")


def rows_of(problem):
    return [(block, term) for block in problem.blocks.values() for term in block.head_terms]


def residual_values(problem, shown, values):
    """What every residual is, row by row: the full row less what is shown of it."""
    pairs = zip(rows_of(problem), rows_of(shown), strict=True)
    return {
        brief.rest: term.polynomial.evaluate(values) - brief.polynomial.evaluate({**values, brief.rest: 0.0})
        for (_, term), (_, brief) in pairs
        if brief.rest
    }


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("basis", ["affine", "polynomial", "ramps"])
@pytest.mark.parametrize("terms", [1, 2, 4])
def test_rows_keep_so_many_terms_and_the_rest_under_a_name(terms, basis, refit):
    drawn = Drawn(layers=(1,), basis=basis)
    values = table_values(drawn.problem.blocks.values(), drawn.table)
    shown, closed, residuals = simplify_problem(drawn.problem, values, terms=terms, digits=3, factor=False, refit=refit)
    assert len({residual.name for residual in residuals}) == len(residuals)
    assert from_json(shown.to_json()) == shown
    full = residual_values(drawn.problem, shown, values)
    for residual in residuals:
        assert residual.standard_deviation == pytest.approx(np.std(full[residual.name]))
        assert residual.mean == pytest.approx(
            np.mean(full[residual.name]), abs=0.01 * max(1, residual.standard_deviation)
        )
    for (_, term), (_, brief), (_, at_mean) in zip(*map(rows_of, (drawn.problem, shown, closed)), strict=True):
        kept = [m for m in brief.polynomial.monomials if m != ((brief.rest, 1),)]
        assert len(kept) == min(terms, len(term.polynomial.monomials))
        assert set(kept) <= set(term.polynomial.monomials)
        assert bool(brief.rest) == (len(kept) < len(term.polynomial.monomials))
        assert set(at_mean.polynomial.monomials) == set(kept)


def test_model_coefficients_stay_unless_refitted():
    drawn = Drawn(layers=(1,))
    values = table_values(drawn.problem.blocks.values(), drawn.table)
    shown, _, _ = simplify_problem(drawn.problem, values, terms=2, digits=2, refit=False)
    for (_, term), (_, brief) in zip(rows_of(drawn.problem), rows_of(shown), strict=True):
        for monomial, value in brief.polynomial.monomials.items():
            if monomial != ((brief.rest, 1),):
                assert value == float(f"{term.polynomial.coefficients[monomial]:.2g}")


def test_a_row_that_speaks_of_the_response_keeps_it():
    polynomial = Polynomial({(("a", 1),): 5.0, (("b", 1),): 4.0, (("y", 1),): 0.1})
    problem = LearnedProblem.of_block(
        Block("block1.1", (HeadTerm(get_head("equality", "abs"), 1.0, polynomial),), ("y",), {})
    )
    values = {name: rng(name).normal(size=5000) for name in "aby"}
    shown, _, (residual,) = simplify_problem(problem, values, terms=2, digits=3, refit=False)
    assert shown.blocks["block1.1"].head_terms[0].polynomial.variables == ("a", "y", "R1")
    assert residual.terms == ("b",)


def test_everything_kept_in_full_digits_is_the_problem():
    drawn = Drawn(layers=(2, 1))
    values = table_values(drawn.problem.blocks.values(), drawn.table)
    _, closed, residuals = simplify_problem(drawn.problem, values, terms=99, digits=15)
    assert residuals == ()
    np.testing.assert_allclose(closed.utility(drawn.table), drawn.utility, rtol=1e-9)


def test_rows_of_a_simplified_hierarchy_keep_their_means():
    """Also above the first layer, where a row sees simplified blocks."""
    drawn = Drawn(layers=(2, 2))
    values = table_values(drawn.problem.blocks.values(), drawn.table)
    _, closed, _ = simplify_problem(drawn.problem, values, terms=1, digits=6)
    full, brief = ({**values, **block_utilities(p, values)} for p in (drawn.problem, closed))
    for (_, term), (_, simple) in zip(rows_of(drawn.problem), rows_of(closed), strict=True):
        means = [np.mean(g.polynomial.evaluate(known)) for g, known in ((term, full), (simple, brief))]
        assert means[0] == pytest.approx(means[1], abs=1e-4)


def test_quadratics_are_written_as_products_and_evaluate_as_printed():
    """The paper's −0.56P² − 0.6RM + 0.57RM·P, beside two small terms."""
    coefficients = {(("P", 2),): -0.56, (("RM", 1),): -0.6, (("P", 1), ("RM", 1)): 0.57, (("AGE", 1),): 0.02}
    row = HeadTerm(get_head("utility", "tanh"), 1.0, Polynomial(coefficients | {(): 0.4}))
    problem = LearnedProblem.of_block(Block("block1.1", (row,), ("P",), {}))
    values = {name: rng(name).normal(size=200) for name in ("P", "RM", "AGE")}
    shown, closed, (residual,) = simplify_problem(problem, values, terms=3, digits=3, refit=False)
    assert "*(P - 1.05)*" in shown.text(None).replace("(RM - 0.982*P - 1.03)*(P", "*(P") or "(P - 1.05)" in shown.text(
        None
    )
    assert "+ R1)" in shown.text(None)
    assert r"\left(" in shown.to_latex(None)
    product = Polynomial.product(shown.blocks["block1.1"].head_terms[0].factors)
    np.testing.assert_allclose(
        np.arctanh(closed.utility(values)), product.evaluate(values) + residual.mean, rtol=1e-9, atol=1e-9
    )
    assert np.max(np.abs(closed.utility(values) - problem.utility(values))) < 0.06
    plain, _, _ = simplify_problem(problem, values, terms=3, digits=3, factor=False, refit=False)
    assert plain.blocks["block1.1"].head_terms[0].factors == ()


def test_residuals_do_not_take_the_name_of_a_column():
    drawn = Drawn(names=("R1", "b", "c"), layers=(1,))
    _, _, residuals = simplify_problem(
        drawn.problem, table_values(drawn.problem.blocks.values(), drawn.table), terms=1, digits=2
    )
    assert residuals[0].name == "R2"


@pytest.mark.parametrize(("count", "most"), [(80, 80), (80, 5000), (101, 10), (7, 3)])
def test_some_rows_are_distinct_and_all_where_there_are_few(count, most):
    rows = np.arange(count)[:, None], np.arange(count)
    chosen = some_rows(rows, most)[1]
    assert len(set(chosen)) == min(count, most)
    assert chosen[0] == 0
    assert np.ptp(np.diff(chosen)) <= 1


# Fidelity.


def test_fidelity_ignores_functions_of_x_and_weighs_by_probability():
    generator = rng("fidelity")
    full = generator.normal(size=(30, 4))
    probability = softmax(full, axis=1)
    agree = np.arange(30) < 15
    shifted = compare_utilities(full, full + generator.normal(size=(30, 1)), probability, agree, "the same")
    assert (shifted.r2, shifted.agreement, shifted.rows) == (pytest.approx(1.0), 0.5, 30)
    assert shifted.largest == pytest.approx(0.0, abs=1e-12)
    flat = compare_utilities(full, np.zeros_like(full), probability, agree, "the same")
    assert flat.r2 == pytest.approx(0.0)
    mean = (probability * full).sum(axis=1, keepdims=True)
    assert flat.standard_deviation == pytest.approx(np.sqrt((probability * (full - mean) ** 2).sum(axis=1).mean()))
    assert flat.largest == pytest.approx(np.abs(full - mean).max())


def test_largest_deviation_leaves_out_what_hardly_happens():
    full = np.array([[0.0, 0.0, -30.0]])
    brief = np.array([[0.1, -0.1, 500.0]])
    assert compare_utilities(full, brief, softmax(full, axis=1), np.array([True]), "").largest == pytest.approx(0.1)


@pytest.fixture(scope="module")
def models():
    X = numbers()
    return {
        "regressor": (fitted(bl.BLRegressor, "numbers"), X, response(bl.BLRegressor, X)),
        "classifier": (fitted(bl.BLClassifier), mixed(), labels(mixed())),
        "hybrid": (hybrid(), None, None),
        "density": (density(), None, None),
    }


@pytest.mark.parametrize("name", ["regressor", "classifier", "hybrid", "density"])
def test_simplified_problem_of_a_fitted_model_prints_its_fidelity(models, name):
    model = models[name][0]
    exact, brief = model.simplified(terms=99, digits=12), model.simplified(terms=1, digits=1)
    assert exact.fidelity.r2 == pytest.approx(1.0, abs=1e-6)
    assert exact.fidelity.agreement == 1.0
    assert brief.fidelity.r2 < exact.fidelity.r2
    for text in (brief.text(), str(brief)):
        assert f"fidelity  R² {brief.fidelity.r2:.3f}" in text
        assert f"in {brief.fidelity.agreement:.0%} of" in text
        assert all(residual.name in text for residual in brief.residuals)
    assert "Fidelity: $R^2$" in brief.to_latex()


def test_simplified_problem_agrees_with_probabilities_of_the_model(models):
    """The agreement is of the classes that the two problems predict."""
    model, X, _ = models["classifier"]
    found = model.simplified(terms=2)
    candidates = [X.assign(mode=label) for label in model.classes_]
    best = [np.argmax([p.utility(table) for table in candidates], axis=0) for p in (model.problem_, found.problem)]
    assert (model.classes_[best[0]] == model.predict(X)).mean() == 1.0
    assert found.fidelity.agreement == pytest.approx(np.mean(best[0] == best[1]))


def test_a_loaded_model_needs_rows(models, tmp_path):
    model, X, y = models["regressor"]
    model.save(tmp_path / "m.bl")
    loaded = bl.load(tmp_path / "m.bl")
    for method in ("simplified", "explain", "stability"):
        with pytest.raises(DataError, match=rf"Pass X and y to {method}\(\)"):
            getattr(loaded, method)()
    with pytest.raises(DataError, match="got X alone"):
        loaded.explain(X)
    assert str(loaded.explain(X, y)) == str(model.explain(X, y))
    assert loaded.simplified(X, y).shown == model.simplified(X, y).shown


@pytest.mark.parametrize("option", ["terms", "digits"])
def test_counts_are_checked(models, option):
    with pytest.raises(OptionError, match=f"{option} must be a whole number"):
        models["regressor"][0].simplified(**{option: 0})


def test_options_of_explanations_are_checked(models):
    model = models["regressor"][0]
    with pytest.raises(OptionError, match=r"stability must be what model\.stability\(\.\.\.\) returned; got bool"):
        model.explain(stability=True)
    for options in ({"seed": -1}, {"seed": None}, {"n": 0}, {"kind": "x"}):
        with pytest.raises(OptionError, match=f"{next(iter(options))} must be"):
            model.stability(**options)
    with pytest.raises(OptionError, match="must be a dictionary"):
        model.rename_blocks(["x"])
    for options in ({"seed": "a"}, {"l2": -1}):
        with pytest.raises(OptionError, match=f"{next(iter(options))} must be"):
            model.inference(**options)


@pytest.mark.parametrize("name", ["regressor", "classifier"])
def test_one_row_has_a_simplified_problem(models, name):
    model, X, y = models[name]
    assert model.simplified(X.head(1), y.head(1)).fidelity.rows == 1


def test_names_of_blocks_travel_everywhere(tmp_path):
    X = numbers()
    model = bl.load(saved(fitted(bl.BLRegressor, "numbers"), tmp_path))
    model.rename_blocks({"block1.1": "the buyer"})
    again = bl.load(saved(model, tmp_path))
    explanation = again.explain(X, response(bl.BLRegressor, X))
    for text in (again.problem_.text(), again.problem_.to_latex(), explanation.text(), again.problem_.to_python()):
        assert "the buyer" in text
    assert "the buyer" in again.simplified(X, response(bl.BLRegressor, X)).text()
    again.rename_blocks({"the buyer": "the seller", "block1.2": "the bank"})
    assert list(again.problem_.blocks) == ["the seller", "the bank", "block2.1"]
    again.rename_blocks({"block1.1": "block1.1"})
    assert list(again.problem_.blocks) == ["block1.1", "the bank", "block2.1"]
    with pytest.raises(OptionError, match="There is no block 'the seller'"):
        again.rename_blocks({"the seller": "x"})
    assert list(again.problem_.blocks) == ["block1.1", "the bank", "block2.1"]


def saved(model, folder):
    model.save(folder / "model.bl")
    return folder / "model.bl"
