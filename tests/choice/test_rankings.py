"""Rankings are the choices that they imply, and a rank that cannot be is refused by its case."""

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.errors import DataError


def games(rankings: int = 40, seed: int = 0) -> pd.DataFrame:
    """Everyone ranks three of four games that differ in price and fun."""
    rng, k = np.random.default_rng(seed), 4
    table = pd.DataFrame({"who": np.repeat(np.arange(rankings), k), "game": np.tile(list("abcd"), rankings)})
    table["price"], table["fun"] = rng.uniform(1, 5, rankings * k), rng.normal(size=rankings * k)
    utility = -0.7 * table["price"] + table["fun"] + rng.gumbel(size=rankings * k)
    place = utility.groupby(table["who"]).rank(ascending=False)
    return table.assign(place=place.where(place < k))


def read(table: pd.DataFrame, **options: object) -> bl.ChoiceData:
    return bl.ChoiceData.from_rankings(table, case="who", alternative="game", rank="place", **options)


def test_exploded_logit_is_the_product_over_places():
    table = games()
    model = bl.BLChoice("price + fun").fit(read(table))
    v = table[["price", "fun"]].to_numpy() @ model.params.to_numpy()
    total = 0.0
    for _, own in table.assign(v=v).groupby("who"):
        left = own.sort_values("place")["v"].to_numpy()
        total += sum(left[i] - np.log(np.exp(left[i:]).sum()) for i in range(3))
    assert model.loglik == pytest.approx(total)
    assert model.inference().cov_type == "clustered"


def test_the_first_place_is_a_choice():
    first = read(games(), places=1)
    chosen = games().assign(place=lambda t: (t["place"] == 1).astype(int))
    same = bl.ChoiceData.from_long(chosen, case="who", alternative="game", chosen="place")
    assert np.array_equal(first.chosen, same.chosen)
    assert first.attributes.keys() == same.attributes.keys()


def test_ranks_from_zero_are_refused():
    with pytest.raises(DataError, match="'place' holds 0"):
        read(games(2).assign(place=lambda t: t["place"] - 1))


@pytest.mark.parametrize(
    ("places", "said"), [([1, 1, 2, 3], "1, 1, 2, 3"), ([1, 3, 4, np.nan], "1, 3, 4"), ([np.nan] * 4, "all missing")]
)
def test_ranks_that_cannot_be_name_the_case(places: list[float], said: str):
    table = games(2)
    table.loc[table["who"] == 1, "place"] = places
    with pytest.raises(DataError, match=f"those of case 1 are {said}"):
        read(table)
