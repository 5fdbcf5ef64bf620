"""Claims about units: how they are read, and that limits and beliefs sum like quantities alone."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.discovery import shapes
from behavior_learning.discovery.knowledge import Knowledge
from behavior_learning.discovery.quantities import of_like_quantities, quantity, quantity_of_product, spelled
from behavior_learning.discovery.shapes import HEADS, LAYERED, shape_of
from behavior_learning.errors import OptionError
from behavior_learning.training.active_set import Support
from tests.conftest import rng

EUR, KG, EACH = (quantity("x", unit) for unit in ("EUR", "kg", "EUR/kg"))


def test_units_are_products_of_powers():
    assert quantity("x", "kg*m/s^2") == quantity("x", "kg * m / s / s") == {("kg", 1), ("m", 1), ("s", -2)}
    assert quantity("x", "m**2/m^2") == quantity("x", "1") == frozenset()
    assert quantity("x", "1/€") == {("€", -1)}
    for unit in ("EUR/kg", "1", "1/s", "kg*m/s^2", "m^2"):
        assert quantity("x", spelled(quantity("x", unit))) == quantity("x", unit), "as it is written it is read"
    assert quantity_of_product([EACH, KG]) == EUR
    assert quantity_of_product([EACH, None]) is None


@pytest.mark.parametrize("unit", ["3 EUR", "EUR/", "", "EUR kg", "m^.5", "2", "^", 5])
def test_other_units_are_refused(unit):
    with pytest.raises(OptionError, match="The unit of 'x' must be a product of names and whole powers"):
        quantity("x", unit)


def support(inequality, equality=((),)):
    rows = {"utility": [[True] * len(TERMS)], "inequality": inequality, "equality": equality}
    return Support(({role: np.array([own], bool) for role, own in rows.items()},), None)


TERMS = [("q",), ("p", "q"), ("m",), ("s",), ("q", "q"), ("m", "q"), ("m", "m"), ("m", "p", "q")]
CONSUMER = {"p": EACH, "q": KG, "m": EUR}
ALL, NONE = [[True] * len(TERMS)], np.zeros((0, len(TERMS)))


def in_use(found, role="inequality"):
    return [
        {"*".join(term) for term, used in zip(TERMS, each.coefs[0][role][0, 0], strict=True) if used} for each in found
    ]


def test_a_limit_sums_like_quantities_and_what_has_no_unit():
    """m·p·q beside m² is p·q beside m over again, and q² is like nothing."""
    (found,) = of_like_quantities(support(ALL, NONE), TERMS, CONSUMER | {"s": frozenset()}, "q")
    assert in_use([found]) == [{"p*q", "m"}]
    assert found.coefs[0]["utility"].all(), "a utility values each at a rate of its own"
    assert in_use(of_like_quantities(support(ALL, NONE), TERMS, CONSUMER, "q")) == [{"p*q", "m", "s"}, {"q", "s"}]


def test_squares_of_what_is_compared_say_nothing_new():
    found = of_like_quantities(support(ALL, NONE), TERMS, {"p": quantity("p", "1"), "q": EUR, "m": EUR, "s": KG}, "q")
    assert in_use(found) == [{"q", "p*q", "m"}]


def test_any_column_goes_with_a_response_of_no_unit():
    found = of_like_quantities(support(ALL, NONE), TERMS, {"m": EUR, "s": KG}, "q")
    assert in_use(found) == [{"q", "p*q", "q*q", "m*q", "m*p*q"} | {own} for own in ("m", "s")]


def test_each_row_has_its_choice_and_there_are_not_too_many():
    assert len(of_like_quantities(support(ALL, ALL), TERMS, CONSUMER, "q")) == 4
    with pytest.raises(OptionError, match="there are 32 choices"):
        of_like_quantities(support(ALL * 3, ALL * 2), TERMS, CONSUMER, "q")


def test_the_empty_problem_is_of_the_response_alone_whatever_rows_are_in():
    """Rows in euros hold no hours by themselves, which compare nothing where they are all that a problem says."""
    X = pd.DataFrame(rng("hours").uniform(1, 2, size=(60, 2)), columns=["rent", "wage"])
    knowledge = Knowledge(units={"rent": "EUR", "wage": "EUR/h", "hours": "h"})
    y = pd.Series(X["rent"] / X["wage"], name="hours")
    shape = shape_of(HEADS[0], X, y, degree=2, most=9, knowledge=knowledge, seed=0, response=None, centered=False)
    menus = shape.menu.of_like_quantities
    assert any(not menu.used(menu.dense)[menu.responds & ~menu.moves].any() for menu in menus)
    for menu in menus:
        used = menu.used(menu.empty())
        assert used.any()
        assert not (used & menu.moves).any()


def test_rows_of_agents_are_in_the_unit_of_the_response(monkeypatch):
    X = pd.DataFrame(rng("agents").normal(size=(60, 3)), columns=["rain", "price", "income"])
    y = pd.Series(np.tanh(X["rain"]), name="yield")
    knowledge = Knowledge(units={"yield": "kg", "rain": "mm", "price": "EUR/kg"})
    told = {"degree": 1, "most": 9, "seed": 0, "response": None, "layers": (3, 1)}
    shape = shape_of(LAYERED, X, y, knowledge=knowledge, **told)
    (menu,) = shape.menu.of_like_quantities
    names = [{shape.model.columns.x_sources[i] for i in x.columns} for x, _ in menu.template.basis.terms]
    for role, coef in menu.allowed.coefs[0].items():
        held = {name for own, used in zip(names, coef.any(axis=(0, 1)), strict=True) if used for name in own}
        assert held == ({"rain", "price", "income"} if role == "utility" else {"income"})
    given = []
    monkeypatch.setattr(shapes, "learned_groupings", lambda family, data, menu, *others: given.append(menu.allowed))
    monkeypatch.setattr(shapes, "learned_again", lambda family, data, menu, *others: given.append(menu.allowed))
    shape.path((), menu.moves, rng("path"))
    shape.path_again((), SimpleNamespace(groupings=(menu.allowed,)), rng("path"))
    assert [own.size for own in given] == [menu.allowed.size] * 2 < [shape.menu.allowed.size] * 2


@pytest.mark.slow
def test_a_hierarchy_keeps_what_has_another_unit_to_its_utilities():
    x, told = rng("hierarchy").normal(size=(300, 3)), {"yield": "kg", "rain": "mm", "price": "EUR", "seed": "kg"}
    X, noise = pd.DataFrame(x, columns=["rain", "price", "seed"]), rng("noise").normal(size=300)
    y = pd.Series(np.tanh(x[:, 0]) - np.tanh(x[:, 1]) + x[:, 2] + 0.3 * noise, name="yield")
    found = bl.discover(X, y, hierarchy=True, units=told, pairs=1, random_state=0)
    bound = found.statements[found.statements["head"].isin(["inequality", "equality"])]
    assert not {name for columns in bound["columns"] for name in columns} & {"rain", "price"}
    assert {"rain", "price", "seed"} <= {name for columns in found.statements["columns"] for name in columns}
