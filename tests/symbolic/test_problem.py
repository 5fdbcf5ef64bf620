"""Claims about the learned problem: it is the network, in the user's names and units, strongest terms first."""

import re

import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import affine_basis, polynomial_basis
from behavior_learning.core.heads import get_head
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.regressor import BLRegressor
from behavior_learning.symbolic.facade import LearnedProblem
from behavior_learning.symbolic.polynomials import Polynomial, Variable
from behavior_learning.symbolic.problem import Block, HeadTerm
from behavior_learning.symbolic.read import block_name, read_problem
from behavior_learning.symbolic.text import format_number
from tests.conftest import SPELLED, random_network, rng
from tests.fitted import fitted, labels, logistic, mixed, numbers, response

ROWS = 12
INPUTS = ("rooms", "crime", "job[teacher]", "age[missing]", "tax_rate")
NUMBER, CLASSES = ("price",), ("mode[bus]", "mode[car]", "mode[train]")
LAYERS = ((1,), (2, 1), (3, 2))
DEFAULT = ("tanh", "relu", "abs")
HEADS = [
    tuple(name if role == own else usual for own, usual in zip(SPELLED, DEFAULT, strict=True))
    for role, names in SPELLED.items()
    for name in names
]
DROPPED = [(None, "relu", "abs"), ("tanh", None, "abs"), ("tanh", "relu", None), ("identity", None, None)]
NASTY = ["a_b", "50%", "x^2", "a{b", "a}b", "{}", "a\\b", "end\\", "R&D", "#1", "$", "~", "Straße", "job[a b]", ""]


def variables(names, *seed):
    """Columns of random location, scale and standard deviation."""
    generator = rng("variables", names, *seed)
    draw = lambda: (generator.normal(scale=5), np.exp(generator.normal()), np.exp(generator.normal()))
    return [Variable(name, *draw()) for name in names]


class Case:
    """A random network, the problem read from it, and rows in the user's units."""

    def __init__(self, *, layers=(1,), output="scalar", heads=DEFAULT, rows=(1, 1, 1), degree=1, response=None):
        vector = output == "vector"
        y_names = response or (CLASSES if vector else NUMBER)
        generator = rng(layers, output, heads, rows, degree, y_names)
        single = not vector and layers[-1] == 1
        readout = "free" if vector else "identity" if single else "nonnegative"
        architecture = Architecture(layers, rows, heads, output=output, readout=readout, readout_bias=vector)
        m = 0 if vector else len(y_names)
        basis = polynomial_basis(len(INPUTS), m, degree=degree) if degree > 1 else affine_basis(len(INPUTS), m)
        self.network = random_network(architecture, basis, len(y_names), generator)
        self.inputs, self.response = variables(INPUTS), variables(y_names)
        self.x = generator.normal(size=(ROWS, len(INPUTS)))
        self.y = np.eye(len(y_names))[generator.integers(len(y_names), size=ROWS)] if vector else None
        self.y = generator.normal(size=(ROWS, len(y_names))) if self.y is None else self.y
        self.deviations = [[float(np.exp(generator.normal())) for _ in range(width)] for width in layers]
        self.problem = read_problem(
            self.network,
            inputs=self.inputs,
            response=self.response,
            curve_standard_deviations=[1.0] * len(basis.x_functions + basis.y_functions),
            block_standard_deviations=self.deviations,
        )

    @property
    def values(self):
        """Columns in the user's units."""
        restore = lambda variables, z: {v.name: v.center + v.scale * z[:, j] for j, v in enumerate(variables)}
        return restore(self.inputs, self.x) | restore(self.response, self.y)

    @property
    def utility(self):
        """BL(x, y) by the network."""
        return np.asarray(self.network(jnp.asarray(self.x), jnp.asarray(self.y)[:, None]))[:, 0]


def evaluate(expression, values):
    """A SymPy expression at columns of numbers."""
    symbols = sorted(expression.free_symbols, key=str)
    function = sympy.lambdify(symbols, expression, "numpy", cse=True)
    return np.broadcast_to(function(*(np.asarray(values[str(s)], float) for s in symbols)), (len(values[INPUTS[0]]),))


def spoken_utility(case):
    """BL(x, y) by the SymPy form: of the response where it is scalar, of the class picked by y where it is a vector."""
    expressions = case.problem.to_sympy()
    if case.network.architecture.output == "vector":
        outputs = np.stack([evaluate(expressions[name], case.values) for name in CLASSES], axis=1)
        return (outputs * case.y).sum(axis=1)
    return evaluate(expressions["utility"], case.values)


# Exactness.


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("output", ["scalar", "vector"])
@pytest.mark.parametrize("layers", LAYERS, ids=str)
@pytest.mark.parametrize("rows", [(1, 1, 1), (2, 3, 1)], ids=str)
def test_sympy_form_is_the_network_in_the_users_units(layers, output, rows):
    case = Case(layers=layers, output=output, rows=rows)
    np.testing.assert_allclose(spoken_utility(case), case.utility, rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("heads", [*HEADS, *DROPPED], ids=str)
@pytest.mark.parametrize("layers", [(1,), (2, 1)], ids=str)
def test_sympy_form_is_exact_for_every_head(heads, layers):
    case = Case(layers=layers, heads=heads)
    np.testing.assert_allclose(spoken_utility(case), case.utility, rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("degree", [2, 3])
def test_sympy_form_multiplies_products_of_standardized_columns_out(degree):
    case = Case(degree=degree)
    np.testing.assert_allclose(spoken_utility(case), case.utility, rtol=1e-7, atol=1e-7)


@pytest.mark.usefixtures("float64")
def test_sympy_form_holds_for_several_response_columns():
    case = Case(layers=(2, 1), response=CLASSES)
    np.testing.assert_allclose(spoken_utility(case), case.utility, rtol=1e-9, atol=1e-9)


def encoded_values(estimator, X):
    """The encoded columns in the user's units: what the printed names stand for."""
    z = estimator.model_.encoder(X)
    return {c.name: c.center + c.scale * z[:, j] for j, c in enumerate(estimator.model_.encoder.columns)}


@pytest.mark.parametrize("table", ["numbers", "mixed"])
def test_problem_of_a_regressor_is_its_utility(table):
    reg, X = fitted(BLRegressor, table), {"numbers": numbers, "mixed": mixed}[table]()
    y = response(BLRegressor, X)
    values = {INPUTS[0]: y} | encoded_values(reg, X) | {"spend": y}
    expected = reg.utility(X, y)
    found = evaluate(reg.problem_.to_sympy()["utility"], values)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_problem_of_a_classifier_is_its_utility():
    clf, X = fitted(BLClassifier), mixed()
    y = labels(X)
    chosen = {f"mode[{label}]": (y == label).to_numpy(float) for label in clf.classes_}
    expected = clf.utility(X, y)
    found = evaluate(clf.problem_.to_sympy()["utility"], {INPUTS[0]: y} | encoded_values(clf, X) | chosen)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_problem_of_a_vector_classifier_is_its_utility_by_class():
    clf, X = logistic(), numbers()
    expressions = clf.problem_.to_sympy()
    assert list(expressions) == ["mode[bus]", "mode[car]", "mode[train]"]
    for label in clf.classes_:
        expected = clf.utility(X, [label] * len(X))
        found = evaluate(expressions[f"mode[{label}]"], {INPUTS[0]: X["a"]} | encoded_values(clf, X))
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_printed_columns_are_the_users_columns():
    symbols = {str(s) for s in fitted(BLRegressor).problem_.to_sympy()["utility"].free_symbols}
    jobs = {"job[clerk]", "job[nurse]", "job[teacher]"}
    assert symbols == {"age", "age[missing]", "income", "owner", "spend"} | jobs


# Structure.


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("layers", LAYERS, ids=str)
def test_layers_of_blocks_become_layers_of_problems(layers):
    problem = Case(layers=layers, rows=(1, 2, 3)).problem
    assert tuple(map(len, problem.layers)) == layers
    expected = [block_name(i + 1, j + 1) for i, width in enumerate(layers) for j in range(width)]
    assert list(problem.blocks) == expected
    for block in problem.blocks.values():
        assert [len(block.terms_of(role)) for role in SPELLED] == [1, 2, 3]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("seed", range(5))
def test_constraints_are_solved_for_the_response_where_it_matters(seed):
    case = Case(rows=(1, 4, 4), heads=("tanh", "relu", ("abs", "square")[seed % 2]))
    (block,) = case.problem.blocks.values()
    for term in (*block.terms_of("inequality"), *block.terms_of("equality")):
        strengths = term.polynomial.strengths(block.standard_deviations)
        matters = strengths[(("price", 1),)] >= 0.2 * max(strengths.values())
        if matters:
            assert abs(term.polynomial.coefficients[(("price", 1),)]) == pytest.approx(1.0)
        else:
            assert term.scale == 1.0
        assert term.scale > 0
        assert term.multiplier >= 0


# Text.


def rows_of_text(text):
    """The lines of a printed block that hold rows."""
    return [line[14:] for line in text.splitlines() if line.startswith(("  maximise", "  subject to", " " * 11))]


def ranked(term, block):
    strengths = term.polynomial.strengths(block.standard_deviations)
    return sorted(strengths, key=strengths.get, reverse=True), strengths


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("terms", [1, 2, 5, None])
@pytest.mark.parametrize("degree", [1, 2])
def test_text_shows_the_strongest_terms_first_and_states_what_was_left_out(terms, degree):
    case = Case(rows=(2, 2, 2), degree=degree)
    names = {v.name for v in (*case.inputs, *case.response)}
    pattern = re.compile("|".join(rf"{re.escape(name)}(?:\^\d)?" for name in names))
    lines = rows_of_text(case.problem.text(terms))
    (block,) = case.problem.blocks.values()
    assert len(lines) == len(block.head_terms)
    for term, line in zip(block.head_terms, lines, strict=True):
        order, strengths = ranked(term, block)
        spelled = [["".join(n if p == 1 else f"{n}^{p}") for n, p in m] for m in order[:terms]]
        assert pattern.findall(line) == [factor for factors in spelled for factor in factors]
        left = order[terms:] if terms is not None else []
        share = sum(strengths[m] for m in left) / sum(strengths.values())
        assert (f"({len(left)} smaller, {share:.0%})" in line) == bool(left)
        assert ("smaller" in line) == bool(left)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("heads", [("tanh", "relu", "square"), ("identity", "softplus", "abs")], ids=str)
def test_printed_rows_evaluate_to_the_utility(heads):
    """Reading the text back gives BL(x, y) but for the three digits that are printed."""
    case = Case(heads=heads, rows=(2, 2, 1))
    plain = {name: f"v{j}" for j, name in enumerate([*INPUTS, *NUMBER])}
    total = np.zeros(ROWS)
    space = {"tanh": np.tanh, "log": np.log, "exp": np.exp, "max": np.maximum, "abs": np.abs}
    space |= {plain[name]: value for name, value in case.values.items()}
    read = lambda text: eval(re.sub(r"\|([^|]*)\|", r"abs(\1)", text.replace("^", "**").replace(",", ", ")), space)
    for line in rows_of_text(case.problem.text(None)):
        for name, alias in plain.items():
            line = line.replace(name, alias)
        polynomial, _, penalty = line.partition("   [penalty ")
        if penalty:
            space["v"] = read(re.sub(r" <= 0| = 0", "", polynomial))
            total -= read(penalty.removesuffix("]"))
        else:
            total += read(re.sub(r"^\+ ", "", polynomial).replace("[", "(").replace("]", ")"))
    np.testing.assert_allclose(total, case.utility, rtol=0.02, atol=0.05)


@pytest.mark.usefixtures("float64")
def test_text_of_a_hierarchy_starts_at_the_top_and_names_every_block():
    case = Case(layers=(3, 2))
    text = case.problem.text()
    assert text.startswith("BL[3,2]: the most likely price maximises\n  utility = ")
    positions = [text.index(f"\n\n{name}\n") for name in ("block2.1", "block2.2", "block1.1", "block1.2", "block1.3")]
    assert positions == sorted(positions)


@pytest.mark.usefixtures("float64")
def test_text_of_a_vector_hierarchy_states_the_utility_of_every_class():
    text = Case(layers=(3, 2), output="vector").problem.text()
    assert text.startswith("BL[3,2]: the most likely class has the largest of\n")
    for name in CLASSES:
        assert re.search(rf"^  {re.escape(name)} = .*block2\.1.*$", text, re.MULTILINE)


@pytest.mark.usefixtures("float64")
def test_weights_on_blocks_are_printed_strongest_first():
    case = Case(layers=(2, 5), output="vector")
    spreads = {block_name(2, j + 1): spread for j, spread in enumerate(case.deviations[1])}
    for name, polynomial in case.problem.outputs.items():
        line = next(row for row in case.problem.text().splitlines() if row.startswith(f"  {name} = "))
        strengths = polynomial.strengths(spreads)
        expected = [m[0][0] for m in sorted(strengths, key=strengths.get, reverse=True)]
        assert re.findall(r"block2\.\d", line) == expected


def test_of_many_blocks_those_are_printed_that_move_most_what_reads_them():
    row = lambda weights, multiplier=1.0: HeadTerm(
        get_head("equality", "square"), multiplier, Polynomial({((name, 1),): value for name, value in weights.items()})
    )
    below = [Block(f"block1.{j}", (row({"price": 1.0}),), ("price",), {}) for j in range(1, 11)]
    weights = dict(zip((block.name for block in below), [1, -9, 5, 2, -8, 6, 3, 7, 4, 0.1], strict=True))
    spreads = {"block1.10": 1000.0, "block1.2": 1e-3}
    top = [
        Block("block2.1", (row(weights),), ("price",), spreads | {"block2.1": 1.0}),
        Block("block2.2", (row({"block1.4": 2.0}, multiplier=-10.0),), ("price",), {}),
    ]
    readout = Polynomial({(("block2.1", 1),): 1.0, (("block2.2", 1),): 1.0})
    problem = LearnedProblem((tuple(below), tuple(top)), {"utility": readout}, ("price",))
    shown = re.findall(r"^block\S+", problem.text(), re.MULTILINE)
    assert shown == ["block2.1", "block2.2", *(f"block1.{j}" for j in (3, 4, 5, 6, 8, 10))]
    assert "(4 more blocks, which matter least: terms=None, --terms 0, writes all)" in problem.text()
    assert problem.to_latex().count("begin{aligned}") == 1 + len(shown)
    assert "4 more blocks" in problem.to_latex()
    assert "block1.1" in problem.to_python(), "what runs is described whole"
    for written in (problem.text(None), problem.to_latex(None)):
        assert "matter least" not in written
        assert len(set(re.findall(r"block1\.\d+", written))) == 10
    wide = LearnedProblem(
        (tuple(below),), {"utility": Polynomial({((n, 1),): abs(w) for n, w in weights.items()})}, ("price",)
    )
    assert re.findall(r"^block\S+", wide.text(), re.MULTILINE) == [
        b.name for b in below if b.name not in ("block1.1", "block1.10")
    ]


@pytest.mark.usefixtures("float64")
def test_printing_is_the_short_text():
    problem = Case(degree=2).problem
    assert str(problem) == problem.text() == problem.text(5)
    assert problem.text(None) == problem.text(10**6)


def test_fitted_problem_prints_names_units_and_what_was_left_out():
    text = str(fitted(BLRegressor).problem_)
    assert "subject to" in text
    assert "<= 0" in text
    assert "= 0   [penalty" in text
    assert re.search(r"\(3 smaller, \d+%\)", text)
    assert "job[teacher]" in fitted(BLRegressor).problem_.text(None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.0123, "0.0123"),
        (4210.4, "4,210"),
        (1.2e-7, "1.20e-07"),
        (-0.5, "-0.5"),
        (999.9, "1,000"),
        (-4210.4, "-4,210"),
        (-1.2e-7, "-1.20e-07"),
        (-12345678.0, "-1.23e+07"),
    ],
)
def test_numbers_have_three_digits_and_zeros_in_full(value, text):
    assert format_number(value) == text


@pytest.mark.parametrize("seed", range(20))
def test_printed_numbers_are_within_half_a_unit_of_the_third_digit(seed):
    value = float(rng("digits", seed).normal() * 10.0 ** rng("power", seed).integers(-9, 12))
    assert float(format_number(value).replace(",", "")) == pytest.approx(value, rel=5.1e-3)


def test_polynomials_are_a_ring():
    generator, names = rng("ring"), ("a", "b")
    draw = lambda: Polynomial(
        {(): generator.normal(), (("a", 1),): generator.normal(), (("a", 1), ("b", 2)): generator.normal()}
    )
    for _ in range(5):
        p, q, at = draw(), draw(), dict(zip(names, generator.normal(size=2), strict=True))
        assert (p * q).evaluate(at) == pytest.approx(p.evaluate(at) * q.evaluate(at))
        assert (p + q).evaluate(at) == pytest.approx(p.evaluate(at) + q.evaluate(at))
        assert p.scaled(-3.0).evaluate(at) == pytest.approx(-3.0 * p.evaluate(at))


# LaTeX.


def unbalanced(latex):
    """What remains of the braces once escaped ones and matching pairs are gone."""
    braces = re.sub(r"[^{}]", "", re.sub(r"\\\\|\\[{}]", "", latex))
    while "{}" in braces:
        braces = braces.replace("{}", "")
    return braces


def well_formed(latex):
    assert unbalanced(latex) == ""
    assert latex.count(r"\left") == latex.count(r"\right")
    assert latex.count(r"\begin{aligned}") == latex.count(r"\end{aligned}") > 0


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("terms", [2, None])
@pytest.mark.parametrize("output", ["scalar", "vector"])
@pytest.mark.parametrize("layers", LAYERS, ids=str)
def test_latex_is_well_formed(layers, output, terms):
    well_formed(Case(layers=layers, output=output, rows=(2, 1, 1), degree=2).problem.to_latex(terms))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("heads", [*HEADS, *DROPPED], ids=str)
def test_latex_is_well_formed_for_every_head(heads):
    well_formed(Case(heads=heads).problem.to_latex())


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", NASTY)
def test_latex_escapes_names(name):
    case = Case()
    inputs = [Variable(name, v.center, v.scale, v.standard_deviation) if v.name == "rooms" else v for v in case.inputs]
    problem = read_problem(
        case.network,
        inputs=inputs,
        response=case.response,
        curve_standard_deviations=[1.0] * len(inputs),
        block_standard_deviations=case.deviations,
    )
    latex = problem.to_latex(None)
    well_formed(latex)
    assert not re.search(r"(?<!\\)[%#$]", latex)
    for text in re.findall(r"\\text\{((?:\\.|[^{}\\]|\{\})*)\}", latex):
        plain = re.sub(r"\\(textbackslash|textasciitilde|textasciicircum)\{\}|\\[\^~]\{\}|\\[_%&#${}]", "", text)
        assert not re.search(r"[\\_&^~#$%{}]", plain)


@pytest.mark.usefixtures("float64")
def test_latex_shows_dots_exactly_where_terms_are_left_out():
    case = Case(rows=(1, 1, 1))
    assert case.problem.to_latex(2).count(r"\cdots") == 3
    assert r"\cdots" not in case.problem.to_latex(None)


@pytest.mark.usefixtures("float64")
def test_latex_of_a_hierarchy_states_every_output():
    assert r"\text{utility}" in Case(layers=(3, 2)).problem.to_latex()
    latex = Case(layers=(3, 2), output="vector").problem.to_latex()
    for name in CLASSES:
        assert rf"\text{{{name}}} =" in latex.replace(" &=", " =").replace("&", "")


def test_latex_of_fitted_problems_is_well_formed():
    for estimator in (fitted(BLRegressor), fitted(BLClassifier), logistic()):
        well_formed(estimator.problem_.to_latex())
        well_formed(estimator.problem_.to_latex(None, digits=5))


@pytest.mark.parametrize(
    ("head", "role", "formula"),
    [
        ("softplus", "inequality", r"0.5 \log{\left(e^{v} + 1 \right)}"),
        ("softplus(4)", "inequality", r"0.125 \log{\left(e^{4 v} + 1 \right)}"),
        ("relu", "inequality", r"0.5 \max\left(0, v\right)"),
        ("abs", "equality", r"0.5 \left|{v}\right|"),
        ("square", "equality", r"0.5 v^{2}"),
        ("smooth_abs(0.2)", "equality", r"0.5 \sqrt{v^{2} + 0.04} - 0.1"),
    ],
)
def test_latex_states_the_whole_penalty(head, role, formula):
    term = HeadTerm(get_head(role, head), 0.5, Polynomial({(("y", 1),): 1.0}))
    assert rf"\text{{penalty }} {formula}" in LearnedProblem.of_block(Block("block1.1", (term,), ("y",), {})).to_latex()
