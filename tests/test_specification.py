"""A stated problem holds exactly the terms, numbers and signs that were written."""

import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import affine_basis
from behavior_learning.core.block import BlockInput
from behavior_learning.core.features import Product
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.errors import OptionError
from behavior_learning.specification import UMP, state_layer
from tests.conftest import randomize, rng

X_UNITS, Y_UNITS = ((6.3, 0.7), (40.0, 12.0)), ((22.5, 9.2),)
NAMES = {"rooms": 0, "income": 1}


def products(text):
    """Products of the columns rooms, income and price."""
    names = text.replace("^2", ":" + text.split("^")[0]).split(":") if "^2" in text else text.split(":")
    unknown = [name for name in names if name not in (*NAMES, "price")]
    if unknown:
        raise OptionError(f"{unknown[0]!r} is no column")
    x = tuple(sorted(NAMES[name] for name in names if name in NAMES))
    y = tuple(0 for name in names if name == "price")
    return [(Product(x, uncentered=bool(x)), Product(y, uncentered=bool(y)))]


def network(*problems):
    stated = state_layer(problems, products=products, x_units=X_UNITS, y_units=Y_UNITS)
    readout = "identity" if len(problems) == 1 else "nonnegative"
    architecture = Architecture((len(problems),), stated.rows, readout=readout)
    drawn = BehaviorNetwork.random(
        np.random.default_rng(0), architecture, features=2, response=1, basis=stated.basis, rules=stated.rules
    )
    return randomize(drawn, rng(problems))


def stated_row(built, role, rooms, income, price):
    """A row with coefficient 1 on the price, at a point in the user's units: what is inside the head, up to scale."""
    at = lambda price: preactivations(built, role, rooms, income, price).item()
    return at(price) / (at(price + 1.0) - at(price))


def preactivations(built, role, rooms, income, price):
    """Rows of one head at a point given in the user's units, shape (blocks, rows)."""
    x = jnp.array([[(rooms - 6.3) / 0.7, (income - 40.0) / 12.0]])
    y = jnp.array([[[(price - 22.5) / 9.2]]])
    return np.asarray(built.layers[0].heads[role].preactivation(BlockInput(built.basis(x, y), None)))[0, 0]


@pytest.mark.usefixtures("float64")
class TestRows:
    @pytest.mark.parametrize(
        ("problem", "uncentered"),
        [
            (UMP(equalities="price ~ 1 + rooms + income"), []),
            (UMP(equalities="price ~ 1 + rooms + income + rooms:income"), []),
            (UMP(equalities="price ~ rooms"), ["rooms", "price"]),
            (UMP(equalities="price ~ 1 + rooms + rooms:income"), ["rooms", "rooms*income"]),
            (UMP(equalities="price ~ 1 + rooms + income", signs={"rooms": ">= 0"}), []),
            (UMP(equalities="price ~ 1 + rooms + rooms^2", signs={"rooms": ">= 0"}), ["rooms", "rooms^2"]),
            (UMP(utility="rooms:price", equalities="price ~ 1 + rooms"), ["rooms", "price"]),
            (UMP(equalities="price ~ 1 + rooms", inequalities="price <= 0.3*income"), ["price", "income"]),
        ],
    )
    def test_columns_are_centered_where_rows_learn_what_that_takes(self, problem, uncentered):
        basis = network(problem).basis
        sides = (basis.x_functions, ("rooms", "income")), (basis.y_functions, ("price",))
        assert sorted(f.name(names) for own, names in sides for f in own if f.uncentered) == sorted(uncentered)

    def test_constraint_without_relation_is_taken_at_face_value(self):
        built = network(UMP(inequalities="price - 0.3*income + 2"))
        assert stated_row(built, "inequality", 5.0, 50.0, 30.0) == pytest.approx(30 - 15 + 2, abs=1e-4)

    @pytest.mark.parametrize("text", ["price <= 5*rooms", "price <= 5 * rooms + 0"])
    def test_number_on_the_right_is_fixed(self, text):
        built = network(UMP(inequalities=text))
        assert stated_row(built, "inequality", 4.0, 1.0, 30.0) == pytest.approx(10.0, abs=1e-4)

    def test_bare_terms_on_the_right_are_learned_with_their_intercept(self):
        built = network(UMP(equalities="price ~ 1 + rooms:income"))
        at = lambda rooms, income: stated_row(built, "equality", rooms, income, 30.0)
        slope = (at(2.0, 3.0) - at(0.0, 0.0)) / 6
        assert at(4.0, 5.0) == pytest.approx(at(0.0, 0.0) + 20 * slope, abs=1e-4)
        assert at(0.0, 7.0) == pytest.approx(at(0.0, 0.0), abs=1e-6)
        assert at(0.0, 0.0) != pytest.approx(30.0, abs=1e-2)

    @pytest.mark.parametrize(
        ("given", "turned"),
        [
            (UMP(at_least="price - 0.3*income + 2"), UMP(inequalities="0.3*income - price - 2")),
            (UMP(at_least="price >= 5*rooms"), UMP(inequalities="5*rooms <= 1*price + 0")),
            (UMP(at_least="price - 0.3*income >= 2*rooms"), UMP(inequalities="2*rooms - price + 0.3*income")),
        ],
        ids=lambda problem: str(problem.at_least or problem.inequalities),
    )
    def test_at_least_is_an_inequality_turned_round(self, given, turned):
        for point in ((5.0, 50.0, 30.0), (2.0, 10.0, -4.0)):
            rows = (preactivations(network(problem), "inequality", *point) for problem in (given, turned))
            np.testing.assert_allclose(*rows, rtol=1e-9)

    def test_a_cost_is_a_utility_with_the_sign_turned(self):
        cost, utility = (network(UMP(**{name: "2*rooms + 0.5*price"})) for name in ("minimize", "utility"))
        np.testing.assert_allclose(
            preactivations(cost, "utility", 5.0, 50.0, 30.0), -preactivations(utility, "utility", 5.0, 50.0, 30.0)
        )

    def test_spellings_of_one_head_are_rows_beside_each_other(self):
        problem = UMP(utility="price", minimize=["rooms:price", "price^2"], inequalities="price", at_least="price - 1")
        assert state_layer([problem], products=products, x_units=X_UNITS, y_units=Y_UNITS).rows == (3, 2, 0)

    def test_row_without_intercept_vanishes_at_the_origin(self):
        built = network(UMP(utility="rooms + price + rooms:price + price^2"))
        assert preactivations(built, "utility", 0.0, 3.0, 0.0) == pytest.approx(0.0, abs=1e-9)

    def test_only_learned_numbers_are_parameters(self):
        built = network(
            UMP(utility="rooms + price", inequalities="price - 0.3*income", equalities="price ~ 1 + income")
        )
        multipliers = 3
        assert built.n_parameters == 2 + 0 + 2 + multipliers

    def test_block_with_fewer_rows_adds_nothing_for_the_missing_ones(self):
        both = network(UMP(utility="price"), UMP(utility=["price", "rooms"], equalities="price ~ rooms"))
        rows = both.layers[0].heads["equality"]
        assert float(rows.multiplier.value[0, 0]) == 0.0
        assert float(rows.multiplier.value[1, 0]) > 0.0


@pytest.mark.usefixtures("float64")
class TestSigns:
    @pytest.mark.parametrize(("sign", "factor"), [(">= 0", 1), ("<=0", -1)])
    @pytest.mark.parametrize(
        ("row", "side"), [({"utility": "rooms + price"}, 1), ({"equalities": "price ~ rooms"}, -1)]
    )
    def test_learned_coefficient_keeps_the_stated_sign(self, sign, factor, row, side):
        role = "utility" if "utility" in row else "equality"
        for draw in range(5):
            built = randomize(network(UMP(**row, signs={"rooms": sign})), rng(sign, draw))
            rise = preactivations(built, role, 2.0, 1.0, 3.0) - preactivations(built, role, 1.0, 1.0, 3.0)
            assert (side * factor * rise > 0).all()

    @pytest.mark.parametrize(("direction", "factor"), [("increasing", 1), ("decreasing", -1)])
    def test_monotone_block_moves_one_way_only(self, direction, factor):
        problem = UMP(utility="rooms + price", inequalities="price <= 1 + rooms", monotone={"rooms": direction})
        x = jnp.stack([jnp.linspace(-3, 3, 50), jnp.zeros(50)], axis=1)
        for draw in range(5):
            built = randomize(network(problem), rng(direction, draw))
            utility = np.asarray(built(x, jnp.full((1, 1, 1), 0.4)))[:, 0]
            assert (factor * np.diff(utility) >= -1e-12).all()

    @pytest.mark.parametrize(
        ("problem", "complaint"),
        [
            (UMP(utility="rooms + price", signs={"rooms": "<= 0"}, monotone={"rooms": "increasing"}), "contradict"),
            (UMP(utility="-2*rooms + price", monotone={"rooms": "increasing"}), "contradicts monotone"),
            (UMP(equalities="price ~ rooms", monotone={"rooms": "increasing"}), "raises and lowers"),
            (UMP(utility="rooms + bs(rooms, 4)", monotone={"rooms": "increasing"}), "raises and lowers"),
            (UMP(utility="-2*inverse(rooms)", monotone={"rooms": "decreasing"}), "contradicts monotone"),
            (
                UMP(utility="log(price)", signs={"log(price)": "<= 0"}, monotone={"price": "increasing"}),
                "contradict each other",
            ),
            (UMP(utility="rooms:price", monotone={"rooms": "increasing"}), "cannot hold 'rooms:price'"),
            (UMP(utility="rooms - price"), "may have either sign"),
            (UMP(utility="rooms"), "involves the response"),
            (UMP(utility=5), "must be text or a list of texts"),
            (UMP(utility="1e400*price"), "too large"),
            (UMP(utility="rooms", signs={"rooms": "positive"}), "must be '>= 0' or '<= 0'"),
            (UMP(utility="rooms", monotone={"rooms": "up"}), "'increasing' or 'decreasing'"),
            (UMP(utility="rooms <= price"), "relation too many"),
            (UMP(inequalities="price ~ rooms"), "inequalities takes at most one relation, '<='; got '~'"),
            (UMP(equalities="price <= rooms"), "equalities takes at most one relation, '~' or '='; got '<='"),
            (UMP(inequalities="price >= rooms"), "the other way round"),
            (UMP(at_least="price <= rooms"), "at_least takes at most one relation, '>='; got '<='"),
            (UMP(minimize="rooms <= price"), "relation too many: minimize takes a sum"),
            (UMP(minimize=5), "minimize of bl.UMP must be text or a list of texts; got 5"),
            (UMP(inequalities="rooms - price", monotone={"rooms": "increasing"}), "contradicts monotone"),
            (UMP(at_least="rooms - price", monotone={"price": "increasing"}), "contradicts monotone"),
            (UMP(utility="rooms", signs={"price": ">= 0"}), "names no term whose coefficient is learned"),
            (UMP(utility="rooms", monotone={"price": "increasing"}), "names no column of the problem"),
            (UMP(inequalities="rooms <= price <= income"), "relation too many"),
            (UMP(utility="rooms + rooms + price"), "stands twice"),
            (UMP(utility="rooms + prize"), "'prize' is no column"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_contradiction_is_named(self, problem, complaint):
        with pytest.raises(OptionError, match=complaint):
            network(problem)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_constraints_do_not_depend_on_the_units_of_the_table(factor):
    problem = UMP(inequalities="price <= 1 + rooms", equalities="price ~ rooms:income")
    rescaled = ((22.5 * factor, 9.2 * factor),)
    here, there = (
        state_layer([problem], products=products, x_units=X_UNITS, y_units=units) for units in (Y_UNITS, rescaled)
    )
    for role in ("inequality", "equality"):
        np.testing.assert_allclose(here.rules[role].coef.numbers, there.rules[role].coef.numbers, rtol=1e-9)


def test_signs_of_costs_and_of_lower_bounds_are_those_written():
    cost = network(UMP(minimize="price", signs={"price": ">= 0"}))
    assert float(cost.layers[0].heads["utility"].coef.value.item()) < 0
    floor = network(UMP(at_least="price >= rooms", signs={"rooms": "<= 0"}))
    assert float(floor.layers[0].heads["inequality"].coef.value[0, 0, 0]) < 0


def test_sign_is_found_whatever_the_order_of_the_factors():
    built = network(UMP(utility="rooms:price", signs={"price:rooms": "<= 0"}))
    assert float(built.layers[0].heads["utility"].coef.value.item()) < 0


def test_products_outside_the_statement_are_absent():
    stated = state_layer([UMP(utility="rooms:price")], products=products, x_units=X_UNITS, y_units=Y_UNITS)
    assert stated.basis.names(["rooms", "income"], ["price"]) == ["rooms*price"]
    assert stated.basis.size < affine_basis(2, 1).size
