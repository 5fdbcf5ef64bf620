"""Every exact form of a learned problem evaluates to the model's utility: values, Python, JSON, text, LaTeX, SymPy."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import sympy

import behavior_learning as bl
from behavior_learning.core.heads import get_head
from behavior_learning.encoding import TableEncoder
from behavior_learning.errors import DataError, OptionError, UnseenCategoryWarning
from behavior_learning.symbolic import LearnedProblem, from_json
from behavior_learning.symbolic.polynomials import Polynomial, Variable
from behavior_learning.symbolic.problem import Block, HeadTerm
from behavior_learning.symbolic.python_source import identifiers
from behavior_learning.symbolic.read import read_problem
from tests.conftest import SPELLED, rng
from tests.fitted import fitted, labels, mixed, response
from tests.symbolic.networks import BASES, DEFAULT, ROWS, Drawn

HEADS = [
    tuple(name if role == own else usual for own, usual in zip(SPELLED, DEFAULT, strict=True))
    for role, names in SPELLED.items()
    for name in names
]
DROPPED = [(None, "relu", "abs"), ("identity", None, None)]
CASES = (
    [{"heads": heads} for heads in [*HEADS, *DROPPED]]
    + [{"basis": basis, "output": output} for basis in BASES if basis != "cubic" for output in ("scalar", "vector")]
    + [
        {"skip": s, "layers": w, "output": o}
        for s, w, o in [("dense", (2, 2, 1), "scalar"), ("input", (2, 2), "vector")]
    ]
    + [{"skip": "residual", "layers": layers} for layers in [(2, 2, 1), (2, 3)]]
    + [{"layers": (1,), "basis": "cubic", "output": output} for output in ("scalar", "vector")]
    + [{"layers": (3, 2)}, {"layers": (1,), "output": "vector"}]
)
PLAIN = ("rooms", "tax", "teacher")
"""Names that SymPy's functions take as they are: replacing a symbol evaluates every maximum anew, which takes long."""

NASTY = (
    "a b",
    "2nd",
    "class",
    "np",
    "columns",
    "é",
    "ﬁ",
    "fi",
    "a-b",
    "a+b",
    "'\"\\",
    "{}",
    "x\ny",
    "#",
    "block1.1",
    "",
)

pytestmark = pytest.mark.usefixtures("float64")


def spelled(case):
    return "-".join(map(str, case.values()))


every = pytest.mark.parametrize("case", CASES, ids=spelled)


def by_values(problem, table):
    return problem.utility(table)


def by_python(problem, table):
    space = {}
    exec(compile(problem.to_python(), "problem.py", "exec"), space)
    return space["utility"](**table)


def by_json(problem, table):
    return from_json(problem.to_json()).utility(table)


def by_sympy(problem, table):
    symbols = [sympy.Symbol(name, real=True) for name in table]
    functions = {k: sympy.lambdify(symbols, e, "numpy") for k, e in problem.to_sympy().items()}
    values = {name: function(*table.values()) for name, function in functions.items()}
    return values["utility"] if list(values) == ["utility"] else values


def assert_same(found, expected):
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for name in expected:
            assert_same(found[name], expected[name])
        return
    found = np.broadcast_to(found, np.shape(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("form", [by_values, by_python, by_json])
@every
def test_form_is_the_network_in_the_users_units(case, form):
    drawn = Drawn(**case)
    assert_same(form(drawn.problem, drawn.table), drawn.utility)


@pytest.mark.parametrize("case", [case for case in CASES if "heads" not in case], ids=spelled)
def test_sympy_form_is_the_network_for_every_basis_skip_and_output(case):
    drawn = Drawn(rows=(1, 1, 1), names=PLAIN, **case)  # SymPy writes a block once for every row above that reads it
    assert_same(by_sympy(drawn.problem, drawn.table), drawn.utility)


# Text and LaTeX are read back by small parsers.


class Reader:
    """Turns printed mathematics into Python by replacing names and spellings."""

    def __init__(self, table):
        self.alias = {name: f"v{i}_" for i, name in enumerate(sorted(table, key=len, reverse=True))}
        self.space = {self.alias[name]: value for name, value in table.items()}
        self.space |= {"tanh": np.tanh, "log": np.log, "exp": np.exp, "sqrt": np.sqrt, "abs": np.abs}
        self.space |= {"max": np.maximum, "huber": lambda t, d: np.where(abs(t) <= d, t * t / 2, d * (abs(t) - d / 2))}

    def learn(self, name, value):
        self.alias = {name: f"b{len(self.space)}_"} | self.alias
        self.space[self.alias[name]] = value

    def aliased(self, text):
        for name, alias in self.alias.items():
            text = text.replace(name, alias)
        return text

    def python(self, text, **more):
        return eval(text, self.space | more)

    def text(self, text, **more):
        text = self.aliased(text).replace("^", "**")
        return self.python(re.sub(r"\|([^|]*)\|", r"abs(\1)", text).replace("[", "(").replace("]", ")"), **more)

    def latex(self, text, **more):
        text = re.sub(r"\\text\{([^{}]*)\}", lambda found: self.aliased(found[1]), text)
        for latex, python in [
            (r"\left|{v}\right|", "abs(v)"),
            (r"\left(", "("),
            (r"\right)", ")"),
            (r"\cdot", "*"),
            (r"\,", "*"),
            (r"\max", "max"),
            (r"\tanh", "tanh"),
            (r"\log", "log"),
            (r"\sqrt", "sqrt"),
            ("{", "("),
            ("}", ")"),
            ("^", "**"),
        ]:
            text = text.replace(latex, python)
        text = re.sub(r"\be\*\*\(", "exp(", text)
        text = re.sub(r"\\left\|\((\w+)\)\\right\|", r"abs(\1)", text)
        text = re.sub(r"(?<=[\d)]) +(?=[a-zA-Z_(])", "*", text)
        return self.python(re.sub(r"(?<=\d)(?=\()", "*", text), **more)


def read_text(problem, table):
    """Evaluate the plain text of a problem, the lowest layer first."""
    reader, blocks = Reader(table), problem.text(None, digits=17).split("\n\n")
    head = blocks.pop(0).splitlines()[1:] if problem.readouts else []
    for block in sorted(blocks, key=lambda text: text.split("\n")[0]):
        name, *lines = block.splitlines()
        total = 0.0
        for line in lines:
            row, _, penalty = line[14:].partition("   [penalty ")
            if penalty:
                argument = reader.text(re.sub(r" (<=|=|>|!=) 0$", "", row))
                total = total - reader.text(penalty.removesuffix("]"), v=argument)
            else:
                total = total + reader.text(row)
        reader.learn(name, total)
    outputs = {line.split(" = ")[0].strip(): reader.text(line.split(" = ")[1]) for line in head}
    return outputs.get("utility", outputs) if outputs else total


def read_latex(problem, table):
    """Evaluate the LaTeX of a problem, the lowest layer first."""
    reader, latex = Reader(table), problem.to_latex(None, digits=17)
    parts = [part.splitlines()[1:-1] for part in latex.split("\n\n")]
    lines = lambda rows: [row.removesuffix(r"\\").strip() for row in rows]
    head = lines(parts.pop(0)) if problem.readouts else []
    for name, rows in sorted(zip((block.name for block in problem.downwards), parts, strict=True)):
        total = 0.0
        for row in lines(rows):
            row = row.partition("&")[2]
            argument, _, penalty = row.partition(r"\qquad \text{penalty }")
            if penalty:
                v = reader.latex(re.sub(r"(\\le|=|>|\\ne) 0 ?$", "", argument.strip()))
                total = total - reader.latex(penalty.strip(), v=v)
            else:
                total = total + reader.latex(row.strip())
        reader.learn(name, total)
    split = [line.split("&=") for line in head]
    outputs = {re.fullmatch(r"\\text\{(.*)\} ", left)[1]: reader.latex(right.strip()) for left, right in split}
    return outputs.get("utility", outputs) if outputs else total


TEXTS = [case for case in CASES if case.get("basis", "affine") in ("affine", "polynomial", "named")]
READABLE = [case for case in TEXTS if "huber(0.7)" not in case.get("heads", ())]


@pytest.mark.parametrize("case", TEXTS, ids=spelled)
def test_full_text_reads_back_as_the_network(case):
    drawn = Drawn(**case)
    assert_same(read_text(drawn.problem, drawn.table), drawn.utility)


@pytest.mark.parametrize("case", READABLE, ids=spelled)
def test_full_latex_reads_back_as_the_network(case):
    drawn = Drawn(**case)
    assert_same(read_latex(drawn.problem, drawn.table), drawn.utility)


# Names and tables as users have them.


def test_names_that_are_no_identifiers_are_spelled_apart():
    spelled = identifiers({name: name for name in NASTY})
    assert len(set(spelled.values())) == len(NASTY)
    assert all(name.isidentifier() for name in spelled.values())
    space = {}
    exec("\n".join(f"{name} = {i}" for i, name in enumerate(spelled.values())), space)
    assert [space[name] for name in spelled.values()] == list(range(len(NASTY)))


def test_any_names_survive_every_form():
    drawn = Drawn(names=NASTY, layers=(2, 1), basis="ramps")
    for form in (by_values, by_python, by_json):
        assert_same(form(drawn.problem, drawn.table), drawn.utility)


def test_a_block_is_not_called_like_a_column():
    assert list(Drawn(names=("block1.1", "b")).problem.blocks) == ["block1.1'", "block1.2", "block2.1"]


def test_curves_whose_knots_agree_in_four_digits_stay_apart():
    drawn = Drawn(basis="ramps")
    far = [Variable("rooms", 1e6, 1.0, 1.0), *drawn.inputs[1:]]
    problem = read_problem(
        drawn.network,
        inputs=far,
        response=drawn.response,
        curve_standard_deviations=[1.0] * len(drawn.network.basis.x_functions + drawn.network.basis.y_functions),
        block_standard_deviations=[[1.0, 1.0], [1.0]],
    )
    table = drawn.table | {"rooms": 1e6 + drawn.x[:, 0]}
    assert_same(problem.utility(table), drawn.utility)


@pytest.fixture(scope="module")
def tables():
    """Fitted models with the tables they were fitted to: text, gaps and booleans among the columns of x."""
    X = mixed()
    spend, mode = response(bl.BLRegressor, X), labels(X)
    return [
        (fitted(bl.BLRegressor), X, spend, X.assign(spend=spend)),
        (fitted(bl.BLClassifier), X, mode, X.assign(mode=mode)),
    ]


def test_utility_of_a_users_table_is_the_models(tables):
    for model, X, y, table in tables:
        expected = model.utility(X, y)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(model.problem_.utility(table), expected, atol=1e-5 * scale)
        np.testing.assert_allclose(by_json(model.problem_, table), expected, atol=1e-5 * scale)
        np.testing.assert_allclose(by_python(model.problem_, table), expected, atol=1e-5 * scale)


def test_categories_that_training_did_not_know_are_missing():
    text = pd.DataFrame({"job": ["clerk", "nurse", None, "nurse"]})
    encoder = TableEncoder.learn(text)
    with pytest.warns(UnseenCategoryWarning):
        encoded = encoder(pd.DataFrame({"job": ["pilot", "clerk", None]}))
    read = [variable.source.read(["pilot", "clerk", None]) for variable in encoder.variables]
    np.testing.assert_array_equal(np.stack(read, axis=1), encoded)


def test_encoded_columns_in_the_users_units_serve_as_well(tables):
    model, X, y, table = tables[0]
    z = model.model_.encoder(X)
    encoded = {v.name: v.center + v.scale * z[:, j] for j, v in enumerate(model.model_.encoder.variables)}
    np.testing.assert_allclose(model.problem_.utility(encoded | {"spend": y}), model.problem_.utility(table), rtol=1e-9)


def test_utility_broadcasts_over_responses():
    drawn = Drawn()
    one = {name: values[0] for name, values in drawn.table.items()}
    line = np.linspace(-1, 1, 5)
    grid = drawn.problem.utility(one | {"price": line})
    assert grid.shape == (5,)
    assert grid[2] == pytest.approx(drawn.problem.utility(one | {"price": line[2]}))


def test_an_absent_column_is_named():
    table = Drawn().table
    del table["tax rate"]
    with pytest.raises(DataError, match="needs the columns 'tax rate'"):
        Drawn().problem.utility(table)


def test_source_runs_without_this_library(tmp_path):
    drawn = Drawn(basis="cubic", layers=(1,), heads=("identity", "softplus(3)", "huber(0.7)"))
    columns = {name: values.tolist() for name, values in drawn.table.items()}
    path = tmp_path / "stranger.py"
    path.write_text(f"{drawn.problem.to_python()}\nprint(*utility(**{columns!r}))\n", "utf-8")
    printed = subprocess.run([sys.executable, "-I", str(path)], check=True, capture_output=True, text=True).stdout
    assert "behavior_learning" not in path.read_text("utf-8")
    np.testing.assert_allclose([float(v) for v in printed.split()], drawn.utility, rtol=1e-9, atol=1e-9)


# JSON.


@every
def test_json_gives_back_an_equal_problem(case):
    problem = Drawn(**case).problem
    assert from_json(problem.to_json()) == problem


OLDER = '{"format": "behavior_learning problem 1", "response": ["y"], "layers": []}'


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "no JSON"), ("[]", "got 'list'"), ('{"format": "x"}', "got 'x'"), (OLDER, "got '.* problem 1'")],
)
def test_other_json_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        from_json(text)


def test_damaged_json_is_refused():
    with pytest.raises(DataError, match="damaged"):
        from_json(Drawn().problem.to_json().replace('"head_terms"', '"goals"'))
    with pytest.raises(DataError, match="damaged"):
        from_json('{"format": "behavior_learning problem 2", "response": ["y"], "layers": []}')


DAMAGED = {
    "no layers": (("layers",), []),
    "an empty layer": (("layers",), [[]]),
    "blocks of one name": (("layers", 0, 1, "name"), "block1.1"),
    "a name that is a number": (("layers", 0, 0, "name"), 3),
    "no number": (("layers", 0, 0, "head_terms", 0, "multiplier"), "a"),
    "an infinite number": (("layers", 0, 0, "head_terms", 0, "scale"), float("inf")),
    "a negative power": (("layers", 0, 0, "head_terms", 0, "polynomial"), [[1.0, [["rooms", -1]]]]),
    "no coefficient": (("layers", 0, 0, "head_terms", 0, "polynomial"), [[None, []]]),
    "no outputs": (("outputs",), {}),
    "outputs of another kind": (("outputs",), 3),
    "sources of another kind": (("sources",), []),
    "standard deviations of another kind": (("standard_deviations",), []),
    "a response that is one word": (("response",), "price"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_any_damage_to_json_is_refused(damage):
    (*path, last), value = DAMAGED[damage]
    state = part = json.loads(Drawn(layers=(2, 1)).problem.to_json())
    for key in path:
        part = part[key]
    part[last] = value
    with pytest.raises(DataError, match=r"no JSON|damaged"):
        from_json(json.dumps(state))


@pytest.mark.parametrize("text", [None, 3])
def test_what_is_no_text_is_no_json(text):
    with pytest.raises(DataError, match="no JSON"):
        from_json(text)


WRONG_TABLES = {
    "none": (lambda table: None, "takes a DataFrame.*got NoneType"),
    "text": (lambda table: table | {"rooms": ["many"] * ROWS}, "'rooms' must hold numbers"),
    "complex numbers": (lambda table: table | {"rooms": [1j] * ROWS}, "'rooms' must hold numbers"),
    "infinite": (lambda table: table | {"rooms": [np.inf] * ROWS}, "'rooms' must be finite"),
    "missing": (lambda table: table | {"price": [np.nan] * ROWS}, f"'price' lacks a value in {ROWS} rows"),
    "of other lengths": (lambda table: table | {"rooms": [1.0, 2.0]}, r"same number of rows; got .*'rooms' \(2,\)"),
    "twice": (lambda table: pd.concat([pd.DataFrame(table)] * 2, axis=1), "has 2 columns named"),
}


@pytest.mark.parametrize("wrong", WRONG_TABLES)
def test_tables_without_a_utility_are_refused(wrong):
    made, message = WRONG_TABLES[wrong]
    with pytest.raises(DataError, match=message):
        Drawn().problem.utility(made(Drawn().table))


def test_variables_of_coefficient_zero_are_not_needed():
    assert Polynomial({(("a", 1),): 2.0, (("b", 1),): 0.0}).evaluate({"a": 3.0}) == 6.0


@pytest.mark.parametrize(("terms", "digits"), [(-1, 3), ("a", 3), (5, 0), (5, 1.5)])
def test_problems_are_written_with_so_many_terms_and_digits(terms, digits):
    for problem in (Drawn().problem, Drawn(layers=(2, 1)).problem):
        for written in (problem.text, problem.to_latex):
            with pytest.raises(OptionError, match="must be a whole number"):
                written(terms, digits)


# A single block.


def test_a_single_block_is_a_problem_of_one_layer():
    drawn = Drawn(layers=(1,))
    (block,) = drawn.problem.blocks.values()
    assert drawn.problem.layers == ((block,),)
    assert drawn.problem.text().startswith("block1.1\n  maximise")
    alone = LearnedProblem.of_block(block)
    for form in (by_values, by_python, by_json, by_sympy):
        assert_same(form(alone, drawn.table), drawn.utility)
    assert (alone.text(), alone.to_latex(), alone.to_python()) == tuple(
        write() for write in (drawn.problem.text, drawn.problem.to_latex, drawn.problem.to_python)
    )


def test_a_single_block_that_is_weighed_is_printed_with_its_weight():
    drawn = Drawn(layers=(1,))
    doubled = replace(drawn.problem, outputs={"utility": Polynomial({(("block1.1", 1),): 2.0})})
    assert doubled.text().startswith("BL[1]: the most likely price maximises\n  utility = 2*block1.1\n")
    for form in (by_values, by_python, by_json, by_sympy, read_text, read_latex):
        assert_same(form(doubled, drawn.table), 2 * drawn.utility)


# Names of blocks.


def test_renamed_blocks_are_the_same_problem():
    drawn = Drawn(layers=(2, 2, 1), skip="dense", rows=(1, 1, 1), names=PLAIN)
    renamed = drawn.problem.renamed({"block1.1": "the budget", "block2.2": "R&D"})
    assert list(renamed.blocks) == ["the budget", "block1.2", "block2.1", "R&D", "block3.1"]
    for form in (by_values, by_python, by_json, by_sympy):
        assert_same(form(renamed, drawn.table), drawn.utility)
    for text in (renamed.text(None), renamed.to_latex(None), renamed.to_python()):
        assert "the budget" in text
        assert "block1.1" not in text


def test_blocks_may_swap_names():
    problem = Drawn(layers=(2, 1)).problem
    swapped = problem.renamed({"block1.1": "block1.2", "block1.2": "block1.1"})
    assert swapped.renamed({"block1.1": "block1.2", "block1.2": "block1.1"}) == problem
    assert swapped.blocks["block1.2"].head_terms == problem.blocks["block1.1"].head_terms


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"block9.1": "x"}, "There is no block 'block9.1'"),
        ({"block1.1": "block1.2"}, "'block1.2' would stand for two things"),
        ({"block1.1": "rooms"}, "'rooms' would stand for two things"),
        ({"block1.1": " "}, "not empty"),
        ({"block1.1": "two\nlines"}, "one line of text"),
        (["the budget"], "must be a dictionary"),
    ],
)
def test_names_that_would_confuse_are_refused(names, message):
    with pytest.raises(OptionError, match=message):
        Drawn().problem.renamed(names)


def test_a_block_takes_no_name_of_a_users_column(tables):
    with pytest.raises(OptionError, match="'job' would stand for two things"):
        tables[0][0].problem_.renamed({"block1.1": "job"})


def test_python_knows_every_head():
    for role, names in SPELLED.items():
        for name in names:
            term = HeadTerm(get_head(role, name), 0.5, Polynomial({(("y", 1),): 2.0, (): -1.0}), 3.0)
            problem = LearnedProblem.of_block(Block("block1.1", (term,), ("y",), {}))
            y = rng(name).normal(size=ROWS)
            np.testing.assert_allclose(by_python(problem, {"y": y}), problem.utility({"y": y}), rtol=1e-9)
