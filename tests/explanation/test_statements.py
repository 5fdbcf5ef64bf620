"""Claims about explanations: they name what moves a row, in the right head, with numbers that are those of the rows."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import behavior_learning as bl
from behavior_learning.core.features import Transform
from behavior_learning.core.heads import get_head
from behavior_learning.explanation.measure import measure_blocks
from behavior_learning.explanation.names import block_weights, propose_names
from behavior_learning.explanation.words import explain_problem
from behavior_learning.symbolic.evaluate import block_utilities, block_values, output_values, table_values
from behavior_learning.symbolic.facade import LearnedProblem
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm
from behavior_learning.symbolic.sources import Source
from tests.conftest import SPELLED, rng
from tests.fitted import labels, numbers, response
from tests.symbolic.networks import Drawn

ROWS = 400


def linear(constant=0.0, **coefficients):
    return Polynomial({((name, 1),): value for name, value in coefficients.items()} | {(): constant})


def row(role, name, polynomial, multiplier=1.0, scale=1.0):
    return HeadTerm(get_head(role, name), multiplier, polynomial, scale)


def block(name, *head_terms, response=("y",)):
    return Block(name, head_terms, response, {})


def alone(*head_terms, **options):
    """The problem of a single block."""
    return LearnedProblem.of_block(block("block1.1", *head_terms, **options))


BUYER = block(
    "block1.1",
    row("utility", "tanh", linear(y=0.5, rooms=1.0, noise=0.01), 2.0),
    row("inequality", "relu", linear(1.0, y=1.0, income=-2.0), 3.0),
    row("equality", "abs", linear(y=-1.0, crime=-0.7, rooms=0.02), 0.5),
)
CROWD = block("block1.2", row("equality", "square", linear(y=1.0, crime=2.0), 0.1))
ABOVE = block(
    "block2.1",
    row("utility", "tanh", linear(**{"block1.1": 1.0, "block1.2": -0.8})),
    row("inequality", "softplus", linear(0.3, **{"block1.1": -1.0}), 0.2),
)
WHOLE = LearnedProblem(((BUYER, CROWD), (ABOVE,)), {"utility": linear(**{"block2.1": 1.5})}, ("y",))


@pytest.fixture(scope="module")
def values():
    generator = rng("rows")
    names = ("y", "rooms", "income", "crime", "noise")
    return {name: generator.normal(loc=3.0, size=ROWS) for name in names}


@pytest.fixture(scope="module")
def explanation(values):
    return explain_problem(WHOLE, values, original=WHOLE.blocks)


def said(explanation, block, head, row=1):
    return next(s for s in explanation.said if s.key == (block, head, row))


def test_statements_come_bottom_up(explanation):
    assert [(s.layer, s.block, s.head) for s in explanation.said] == [
        (1, "block1.1", "utility"),
        (1, "block1.1", "inequality"),
        (1, "block1.1", "equality"),
        (1, "block1.2", "equality"),
        (2, "block2.1", "utility"),
        (2, "block2.1", "inequality"),
        (3, "utility", "output"),
    ]


def test_heads_name_what_moves_them(explanation):
    assert set(said(explanation, "block1.1", "utility").variables) == {"y", "rooms"}
    assert set(said(explanation, "block1.1", "inequality").variables) == {"y", "income"}
    assert set(said(explanation, "block1.1", "equality").variables) == {"y", "crime"}
    assert said(explanation, "utility", "output").variables == ("block2.1",)


def test_negative_multipliers_turn_what_a_row_says(values):
    """multipliers="free" allows them: what would be wanted is shunned, and what would be penalised is rewarded."""
    head_terms = [replace(term, multiplier=-term.multiplier) for term in BUYER.head_terms]
    texts = [s.text for s in explain_problem(alone(*head_terms), values).said]
    assert texts == [
        "wants lower rooms and lower y",
        "rewards -2*income + y + 1 above 0",
        "rewards -y - 0.7*crime + 0.02*rooms away from 0",
    ]


def test_sentences_say_what_a_row_wants_is_limited_by_and_believes(explanation):
    assert said(explanation, "block1.1", "utility").text == "wants higher rooms and higher y"
    assert said(explanation, "block1.1", "inequality").text == "is limited by y <= 2*income - 1"
    assert said(explanation, "block1.1", "equality").text == "believes y = -0.7*crime + 0.02*rooms"
    assert said(explanation, "block2.1", "utility").text == "aggregates block1.1 less block1.2"
    assert said(explanation, "block2.1", "inequality").text == "trades off -block1.1 + 0.3 <= 0"
    assert said(explanation, "utility", "output").text == "the most likely y maximises 1.5*block2.1"


def test_a_utility_that_only_falls_with_the_blocks_below_opposes_them(values):
    above = block("block2.1", row("utility", "tanh", linear(**{"block1.1": -1.0, "block1.2": -0.8})))
    found = explain_problem(replace(WHOLE, layers=((BUYER, CROWD), (above,))), values)
    assert said(found, "block2.1", "utility").text == "opposes block1.2 and block1.1"


def test_an_inequality_that_holds_the_response_from_below_says_so(values):
    problem = alone(row("inequality", "relu", linear(1.0, y=-1.0, income=2.0)))
    assert explain_problem(problem, values).said[0].text == "is limited by y >= 2*income + 1"


def test_blocks_that_see_no_response_reward_and_penalize(values):
    rows = [row("utility", "tanh", linear(rooms=-1.0)), row("inequality", "relu", linear(0.5, income=1.0))]
    rows.append(row("equality", "abs", linear(crime=1.0)))
    explanation = explain_problem(alone(*rows, response=()), values)
    texts = ["rewards lower rooms", "penalises income + 0.5 above 0", "penalises crime away from 0"]
    assert [s.text for s in explanation.said] == texts


@pytest.mark.parametrize(("slope", "wanted"), [(0.0, "higher y"), (-0.5, "y (either way)"), (-3.0, "lower y")])
def test_a_utility_that_rises_to_its_best_and_falls_beyond_wants_neither(slope, wanted):
    """log(y) + slope·y has its best at −1/slope."""
    y = rng("turns").gamma(2.0, size=(50, 20)) + 0.2
    curved = Polynomial({(("log(y)", 1),): 1.0, (("y", 1),): slope})
    told = replace(
        block("block1.1", row("utility", "identity", curved)),
        curves={"log(y)": (Transform(0, "log", 0.0, 1.0, 1e-3), "y")},
    )
    text = explain_problem(LearnedProblem.of_block(told), {"y": y, "log(y)": np.log(y)}).said[0].text
    assert text.endswith(wanted)


def test_smaller_terms_enter_the_constant_at_their_means(values):
    names = ("rooms", "income", "crime", "noise")
    polynomial = linear(y=1.0, **dict(zip(names, (-4.0, -3.0, -2.0, -0.5), strict=True)))
    explanation = explain_problem(alone(row("equality", "abs", polynomial)), values)
    mean = float(np.mean(0.5 * values["noise"]))
    expected = f"believes y = 4*rooms + 3*income + 2*crime + {mean:.1f} (and 1 smaller terms)"
    assert explanation.said[0].text == expected


def test_numbers_are_those_of_the_rows(explanation, values):
    statement, term = said(explanation, "block1.1", "inequality"), BUYER.head_terms[1]
    inside = values["y"] - 2 * values["income"] + 1
    assert statement.moves == pytest.approx(np.std(3 * np.maximum(0, inside)))
    assert statement.penalty == pytest.approx(np.mean(3 * np.maximum(0, inside)))
    assert statement.active == pytest.approx(np.mean(inside > 0))
    held = {name: np.full(ROWS, values[name].mean()) for name in ("income", "y")}
    added = lambda y, income: -3 * np.maximum(0, y - 2 * income + 1)
    lost = {
        "income": np.std(added(values["y"], values["income"]) - added(values["y"], held["income"])),
        "y": np.std(added(values["y"], values["income"]) - added(held["y"], values["income"])),
    }
    assert statement.strengths == pytest.approx(lost)
    assert statement.directions == {"y": 1, "income": -1}
    assert (statement.multiplier, statement.scale) == (term.multiplier, term.scale)
    shares = [s.share for s in explanation.said if s.block == "block1.1"]
    assert sum(shares) == pytest.approx(1.0)


def test_terms_carry_coefficients_and_strengths(explanation, values):
    frame = explanation.to_terms().set_index(["block", "head", "term"]).sort_index()
    line = frame.loc[("block1.1", "utility", "rooms")]
    assert line["coefficient"] == 1.0
    assert line["strength"] == pytest.approx(values["rooms"].std())
    assert frame.loc[("block1.1", "utility")]["share"].sum() == pytest.approx(1.0)


def test_frame_has_a_line_per_statement(explanation):
    frame = explanation.to_frame()
    assert len(frame) == len(explanation.said)
    assert {"layer", "block", "name", "head", "row", "statement", "variables", "moves", "frequency"} <= set(frame)


def test_text_holds_every_statement_and_number(explanation):
    text = explanation.text()
    for statement in explanation.said:
        assert statement.text in text
        assert statement.numbers in text
    assert text.index("Layer 1") < text.index("Layer 2") < text.index("The whole")


def test_products_and_levels_count_for_their_columns():
    generator = rng("levels")
    job = generator.choice(["a", "b"], ROWS)
    columns = {"y": generator.normal(size=ROWS), "rooms": generator.normal(5.0, 1.0, ROWS)}
    polynomial = Polynomial({(("rooms", 1), ("y", 1)): 1.0, (("job[a]", 1),): 2.0, (("job[b]", 1),): -2.0})
    sources = {f"job[{level}]": Source("job", "level", level=level) for level in "ab"}
    one = Block("block1.1", (row("equality", "abs", polynomial),), ("y",), {}, sources=sources)
    values = table_values([one], columns | {"job": job})
    (statement,) = explain_problem(LearnedProblem.of_block(one), values).said
    assert set(statement.strengths) == {"y", "rooms", "job"}
    indicator = (job == "a").astype(float)
    whole = np.abs(columns["rooms"] * columns["y"] + 4 * indicator - 2)
    held = np.abs(columns["rooms"] * columns["y"] + 4 * indicator.mean() - 2)
    assert statement.strengths["job"] == pytest.approx(np.std(whole - held))
    assert statement.directions["job"] == 0


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("basis", ["ramps", "waves", "cubic"])
def test_curves_count_for_their_columns(basis):
    drawn = Drawn(basis=basis, layers=(1,))
    values = drawn.table | table_values(drawn.problem.blocks.values(), drawn.table)
    (measured,), _ = measure_blocks(drawn.problem, values)
    for term in measured.terms:
        assert set(term.columns) <= {"rooms", "tax rate", "job[teacher]", "price"}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("skip", [None, "dense", "input", "residual"])
@pytest.mark.parametrize("output", ["scalar", "vector"])
def test_every_kind_of_network_can_be_read(skip, output):
    drawn = Drawn(layers=(2, 3), skip=skip, output=output)
    explanation = explain_problem(drawn.problem, table_values(drawn.problem.blocks.values(), drawn.table))
    heads = [s.head for s in explanation.said]
    assert all(heads.count(role) >= 5 for role in SPELLED)
    assert heads.count("output") == (2 if output == "vector" else 1)
    shortcuts = 3 if output == "vector" else 1  # Of blocks that only add up there is one pool.
    assert heads.count("shortcut") == (shortcuts if skip == "residual" else 0)
    assert "nan" not in explanation.text()


def test_contributions_of_rows_add_up_to_the_block(values):
    blocks, known = measure_blocks(WHOLE, values)
    utilities, outputs = block_utilities(WHOLE, values), output_values(WHOLE, values)
    for measured in blocks:
        np.testing.assert_array_equal(known[measured.block.name], utilities[measured.block.name])
        assert measured.moves == pytest.approx(np.std(block_values(measured.block, known)))
    np.testing.assert_allclose(outputs["utility"], 1.5 * known["block2.1"])


# Names.


def test_names_list_the_columns_that_move_a_block(explanation):
    assert explanation.names["block1.2"] == "crime-sensitive"
    assert explanation.names["block1.1"] == "income-sensitive"
    assert explanation.names["block2.1"] == "income- and crime-sensitive trade-off"


def test_names_differ_where_blocks_are_alike(values):
    twin = lambda name: block(name, row("equality", "abs", linear(y=1.0, crime=1.0, rooms=0.9, income=0.1)))
    blocks, _ = measure_blocks(LearnedProblem(((twin("a"), twin("b"), twin("c"), twin("d")),), {}, ("y",)), values)
    names = propose_names(blocks, {"y"})
    assert names["a"] == "crime- and rooms-sensitive"
    assert names["b"] == "crime-, rooms- and income-sensitive"
    assert len(set(names.values())) == 4


def test_a_block_is_named_for_what_it_passes_on(values):
    """A residual skip adds −5 of a block that moves with income, beside a row that hardly moves."""
    below = block("block1.1", row("utility", "identity", linear(y=0.1, income=1.0)))
    above = replace(
        block("block2.1", row("utility", "identity", linear(y=0.1, crime=0.01)), response=()),
        shortcut=linear(**{"block1.1": -5.0}),
        standard_deviations={"block1.1": 1.0},
    )
    problem = LearnedProblem(((below,), (above,)), {"utility": linear(**{"block2.1": 1.0})}, ("y",))
    blocks, _ = measure_blocks(problem, values)
    weights = block_weights(blocks)
    assert sum(weights["block2.1"].values()) == pytest.approx(1.0)
    assert weights["block2.1"]["crime"] < 0.05
    for name, weight in weights["block1.1"].items():
        assert weights["block2.1"][name] == pytest.approx(weight, abs=0.05)


def test_weights_of_a_block_add_moves_of_rows_and_of_its_residual_skip_whatever_their_signs():
    """Two of a block with a deviation of 1.5 move it by 3; a row by 1, a third of it through that block."""
    made = lambda name, moves, columns, skip, deviations: SimpleNamespace(
        terms=[SimpleNamespace(moves=moves, columns=columns)],
        block=SimpleNamespace(name=name, shortcut=linear(**skip), standard_deviations=deviations),
    )
    below = made("below", 2.0, {"y": 1.0, "rooms": 4.0}, {}, {})
    above = made("above", 1.0, {"crime": 2.0, "below": 1.0}, {"below": -2.0}, {"below": 1.5})
    weights = block_weights([below, above])
    assert weights["below"] == pytest.approx({"y": 0.2, "rooms": 0.8})
    through = (1 / 3 + 3) / 4
    assert weights["above"] == pytest.approx({"crime": 1 / 6, "y": 0.2 * through, "rooms": 0.8 * through})


def test_a_row_of_constants_has_terms_without_a_share():
    still = {name: np.ones(5) for name in ("y", "rooms")}
    (first, *_) = explain_problem(alone(row("utility", "tanh", linear(y=0.5, rooms=1.0))), still).said
    assert [(term.strength, term.share) for term in first.terms] == [(0.0, 0.0)] * 2
    assert first.text.endswith("nothing that varies")
    assert first.variables == ()
    assert replace(first, strengths={"rooms": 0.0}).signed_strengths == {"rooms": 0.0}


def test_a_block_of_the_response_alone_is_named_for_it(values):
    blocks, _ = measure_blocks(alone(row("equality", "abs", linear(y=1.0))), values)
    assert propose_names(blocks, {"y"}) == {"block1.1": "y-sensitive"}


def test_titles_are_proposed_until_the_user_renames(values):
    renamed = WHOLE.renamed({"block1.1": "the buyer"})
    explanation = explain_problem(renamed, values, original={"block1.2", "block2.1"})
    titles = {s.block: s.title for s in explanation.said}
    assert titles["the buyer"] == "the buyer"
    assert titles["block1.2"] == "crime-sensitive"
    assert "aggregates the buyer less block1.2" in explanation.text()


# What is identified.


def test_movement_is_what_remains_after_the_mean_given_x():
    """A function of x alone moves nothing; y in an identity row moves by its spread given x."""
    generator = rng("draws")
    x, noise = generator.normal(size=(60, 1)), generator.normal(size=(60, 5))
    drawn = {"x": np.broadcast_to(x, (60, 5)), "y": 4 * x + noise}
    problem = alone(row("utility", "identity", linear(x=9.0, y=2.0)), row("equality", "abs", linear(x=3.0)))
    utility, equality = explain_problem(problem, drawn).said
    within = noise - noise.mean(axis=1, keepdims=True)
    assert utility.moves == pytest.approx(2 * np.sqrt(np.mean(within**2)))
    assert utility.strengths["x"] == pytest.approx(0.0, abs=1e-12)
    assert equality.moves == pytest.approx(0.0, abs=1e-12)
    assert utility.share == pytest.approx(1.0)


def test_a_block_says_how_it_enters_the_whole(values):
    """BL = 1.5·(tanh(s₁ − 0.8 s₂) − 0.2·softplus(0.3 − s₁)) rises in s₁ and falls in s₂."""
    explanation = explain_problem(WHOLE, values)
    assert said(explanation, "block1.1", "utility").sign_share == 1.0
    assert said(explanation, "block1.2", "equality").sign_share == 0.0
    s1, s2 = (block_utilities(WHOLE, values)[name] for name in ("block1.1", "block1.2"))
    slope = 1.5 / np.cosh(s1 - 0.8 * s2) ** 2 + 1.5 * 0.2 / (1 + np.exp(s1 - 0.3))
    assert said(explanation, "block1.1", "utility").raises == pytest.approx(slope.mean(), rel=1e-3)


def test_a_block_without_a_definite_sign_wants_nothing(values):
    above = block("block2.1", row("equality", "abs", linear(**{"block1.1": 1.0}), 1.0))
    mixed = LearnedProblem(((BUYER,), (above,)), {"utility": linear(**{"block2.1": 1.0})}, ("y",))
    texts = [s.text for s in explain_problem(mixed, values).said if s.block == "block1.1"]
    assert 0.05 < said(explain_problem(mixed, values), "block1.1", "utility").sign_share < 0.95
    assert not [text for text in texts if text.startswith(("wants", "believes", "is limited"))]


def test_blocks_that_only_add_up_are_one_pool(values):
    weights = linear(**{"block1.1": 2.0, "block1.2": 0.5})
    two = LearnedProblem(((BUYER, CROWD),), {"utility": weights}, ("y",))
    found = explain_problem(two, values).said
    assert {s.block for s in found if s.head != "output"} == {"block1.pool"}
    assert sorted(s.multiplier for s in found if s.head == "equality") == [0.05, 1.0]


def test_statements_are_a_table(explanation):
    table = explanation.statements
    assert table.columns.tolist() == ["block", "head", "columns", "text", "moves", "share", "sign_share"]
    assert len(table) == len(explanation.said)


def test_an_equality_whose_zero_lies_far_from_the_data_names_no_level(values):
    """(y + 178,000)² is a line over the data: an exponential law."""
    for shift, end in ((1e5, "rises"), (-1e5, "falls")):
        problem = alone(row("equality", "square", linear(shift, y=1.0, rooms=-2.0), 1e-5))
        text = explain_problem(problem, values).said[0].text
        assert text.startswith(f"falls steadily as -2*rooms + y {end} ")
        assert "level lies far beyond the data" in text
    near = alone(row("equality", "square", linear(-2.0, y=1.0)))
    assert explain_problem(near, values).said[0].text == "believes y = 2"


@pytest.mark.parametrize(("level", "word"), [(0.26, "less"), (-0.26, "more")])
def test_a_row_of_labels_alone_is_a_base_rate(values, level, word):
    name, source = "class[good]", Source("class", "level", level="good")
    labels = row("equality", "square", Polynomial({((name, 1),): level, (): 12.0}))
    problem = LearnedProblem.of_block(replace(block("block1.1", labels, response=(name,)), sources={name: source}))
    found = explain_problem(problem, values | {name: rng("labels").integers(2, size=ROWS).astype(float)})
    assert found.said[0].text == f"makes class[good] {word} likely (a base rate, whatever the inputs)"


@pytest.mark.parametrize(("kind", "make"), [(bl.BLClassifier, labels), (bl.BLRegressor, response)])
def test_a_block_raises_classes_as_much_as_it_lowers_them(kind, make):
    X = numbers()
    y = make(X) if kind is bl.BLClassifier else make(kind, X)
    said = str(kind(layers=(2, 1), max_epochs=20, n_restarts=1, random_state=0).fit(X, y).explain())
    assert (", and lowers it as much" in said) == (kind is bl.BLClassifier)
    assert ("per unit" in said) == (kind is bl.BLRegressor)
