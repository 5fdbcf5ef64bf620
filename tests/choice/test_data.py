"""Choice sets from tables, and what is refused."""

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.errors import DataError, OptionError


def trips() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "trip": [1, 1, 2, 2, 2, 3, 3],
            "mode": ["bus", "car", "bus", "car", "train", "car", "train"],
            "cost": [2.0, 5.0, 3.0, 4.0, 6.0, 4.0, 5.0],
            "taken": [1, 0, 0, 0, 1, 1, 0],
            "income": [3.0, 3.0, 5.0, 5.0, 5.0, 2.0, 2.0],
            "who": ["a", "a", "a", "a", "a", "b", "b"],
        }
    )


def read(table: pd.DataFrame, **how: object) -> bl.ChoiceData:
    options = {"case": "trip", "alternative": "mode", "chosen": "taken", "chooser": ["income"], "id": "who"}
    return bl.ChoiceData.from_long(table, **{**options, **how})


def wide() -> tuple[pd.DataFrame, dict[str, dict[str, object]]]:
    table = pd.DataFrame({"b": [2.0, 3.0, 1.0], "c": [5.0, 4.0, 4.0], "t": [np.nan, 6.0, 5.0], "mode": [1, 3, 2]})
    table["there"] = [0, 1, 1]
    names = {"bus": {"cost": "b"}, "car": {"cost": "c"}, "train": {"cost": "t", "available": "there"}}
    return table, names


CODES = {1: "bus", 2: "car", 3: "train"}


def test_long_data_is_ragged_and_in_any_order():
    data, mixed = read(trips()), read(trips().sample(frac=1, random_state=3))
    assert (len(data), data.lines, data.sizes.tolist()) == (3, 7, [2, 3, 2])
    assert data.repeats
    shares = {case: mixed.shares.to_dict() for case in "x"}
    assert shares["x"] == {"bus": 1 / 3, "car": 1 / 3, "train": 1 / 3}


def test_wide_data_leaves_out_what_was_not_available():
    table, names = wide()
    data = bl.ChoiceData.from_wide(table, names, chosen="mode", codes=CODES)
    assert data.sizes.tolist() == [2, 3, 3]
    assert data.attributes["cost"].tolist() == [2, 5, 3, 4, 6, 1, 4, 5]


def test_polars_and_parquet_read_alike(tmp_path):
    path = tmp_path / "trips.parquet"
    trips().to_parquet(path)
    assert repr(read(trips())) == repr(read(path))

    class Polars:
        def to_pandas(self):
            return trips()

    assert repr(read(Polars())) == repr(read(trips()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"taken": [1, 1, 0, 0, 1, 1, 0]}, "case 1 has 2"),
        ({"taken": [0, 0, 0, 0, 1, 1, 0]}, "case 1 has 0"),
        ({"taken": ["y", "n", "n", "n", "y", "y", "n"]}, "0 and 1"),
        ({"mode": ["bus", "bus", "bus", "car", "train", "car", "train"]}, "Case 1 has alternative 'bus' twice"),
        ({"cost": [np.nan, 5, 3, 4, 6, 4, 5]}, "'cost' is nan for alternative 'bus' of case 1"),
        ({"income": [3, 4, 5, 5, 5, 2, 2]}, "varies within case 1"),
        ({"who": ["a", "b", "a", "a", "a", "b", "b"]}, "varies within case 1"),
        ({"income": [3, np.nan, 5, 5, 5, 2, 2]}, "'income' of the chooser is missing in 1 rows"),
        ({"taken": [1, np.nan, 0, 0, 1, 1, 0]}, "'taken' is missing in 1 rows"),
        ({"mode": [1, "1", "bus", "car", "train", "car", "train"]}, "Case 1 has alternative '1' twice"),
    ],
)
def test_bad_long_data_names_the_case(change: dict[str, list[object]], message: str):
    with pytest.raises(DataError, match=message):
        read(trips().assign(**change))


def test_tables_that_hold_no_choice_are_refused():
    one = {"trip": range(7), "mode": "bus", "taken": 1, "income": 1.0, "who": list("abcdefg")}
    with pytest.raises(OptionError, match="two alternatives at least; 'mode' has 'bus'"):
        read(trips().assign(**one))
    for empty in (lambda: read(trips()[:0]), lambda: bl.ChoiceData.from_wide(wide()[0][:0], wide()[1], "mode", CODES)):
        with pytest.raises(DataError, match="no rows"):
            empty()
    with pytest.raises(DataError, match="two columns named 'cost'"):
        read(pd.concat([trips(), trips()[["cost"]]], axis=1))


def test_names_of_the_chooser_are_a_list_and_no_attributes():
    with pytest.raises(OptionError, match="chooser must be a list"):
        read(trips(), chooser="income")
    table, names = wide()
    with pytest.raises(OptionError, match="'cost' is an attribute and a column of the chooser"):
        bl.ChoiceData.from_wide(table.assign(cost=1.0), names, "mode", CODES, chooser=["cost"])


def test_chosen_but_unavailable_names_the_case():
    with pytest.raises(DataError, match="Case 2 chose 'train', which was not available"):
        read(trips().assign(there=[1, 1, 1, 1, 0, 1, 1]), available="there")
    table, names = wide()
    with pytest.raises(DataError, match="Row 0 chose 'train', which was not available"):
        bl.ChoiceData.from_wide(table.assign(mode=[3, 3, 2]), names, chosen="mode", codes=CODES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": [1, 3, 9]}, "Row 2 chose none of the alternatives"),
        ({"there": [1, 1, 1]}, "'cost' is nan for alternative 'train' of case 0"),
        ({"there": [0, 2, 1]}, "must be 0 or 1"),
    ],
)
def test_bad_wide_data_names_the_row(change: dict[str, list[object]], message: str):
    table, names = wide()
    with pytest.raises(DataError, match=message):
        bl.ChoiceData.from_wide(table.assign(**change), names, chosen="mode", codes=CODES)


def test_an_attribute_that_an_alternative_lacks_is_asked_for():
    table, names = wide()
    names["bus"]["wait"] = "b"
    with pytest.raises(OptionError, match="'car' lacks attribute 'wait'"):
        bl.ChoiceData.from_wide(table, names, chosen="mode", codes=CODES)


def test_selected_and_reordered_cases_keep_their_lines():
    data = read(trips())
    assert data.select([2, 0]).attributes["cost"].tolist() == [2, 5, 4, 5]
    again = data.reordered(np.array([2, 0, 2]))
    assert again.attributes["cost"].tolist() == [4, 5, 2, 5, 4, 5]
    assert again.case.tolist() == [0, 0, 1, 1, 2, 2]
    assert data.without("train").sizes.tolist() == [2, 2, 1]
    assert data.changed({"cost": {"car": 2}}).attributes["cost"].tolist() == [2, 10, 3, 8, 6, 8, 5]
