"""Claims about every registered response: it reads, splits, encodes and restores, and nothing is lost in a file."""

import json
from dataclasses import FrozenInstanceError, dataclass

import jax
import numpy as np
import pandas as pd
import pytest

from behavior_learning.errors import DataError, OptionError
from behavior_learning.responses import (
    RESPONSES,
    Classes,
    Joint,
    Numbers,
    Response,
    register_response,
    response_from_json,
)
from tests.conftest import rng

ROWS = 60
TRAIN = rng("train").permutation(ROWS)[:40]
NUMBERS = pd.Series(rng("numbers").normal(30.0, 4.0, ROWS), name="spend")
LABELS = pd.Series(rng("labels").permutation(np.repeat(["bus", "car", "train"], ROWS // 3)), name="mode")
SAMPLES = {
    "numbers": NUMBERS,
    "classes": LABELS,
    "ordered": LABELS.map({"bus": 1, "car": 2, "train": 3}).rename("grade"),
    "censored": NUMBERS,
    "joint": pd.DataFrame({"mode": LABELS, "spend": NUMBERS, "owner": LABELS == "car"}),
}
"""Values of every response; one without any is tried on whole numbers."""

every_response = pytest.mark.parametrize("name", RESPONSES)


def sample(name):
    return SAMPLES.get(name, pd.Series(rng("whole").permutation(ROWS) % 20, name="count"))


def learned(name):
    """A response that has read and learned its sample, and its parsed values."""
    response, values = RESPONSES[name]().read(sample(name), ROWS)
    return response.learn(values, TRAIN), values


# Every response.


@every_response
def test_encoded_values_are_responses_of_the_space_and_come_back_as_they_were(name):
    response, values = learned(name)
    encoded = response.encode(values, float)
    assert np.all(response.space().contains(encoded))
    table = pd.DataFrame(sample(name))
    with jax.enable_x64(True):
        points = np.asarray(response.space().points(encoded))
    restored = pd.DataFrame(response.restore(points), columns=table.columns).astype(table.dtypes)
    pd.testing.assert_frame_equal(restored, table, rtol=1e-12)


@every_response
def test_reading_and_parsing_again_give_the_same_values(name):
    response, values = learned(name)
    np.testing.assert_array_equal(response.values(sample(name), ROWS), values)


@every_response
def test_variables_are_the_columns_of_a_candidate(name):
    response, _ = learned(name)
    assert len(response.variables) == response.space().dimension
    assert [part.name for part in response.components] == list(pd.DataFrame(sample(name)))
    assert response.space(8).dimension == response.space().dimension


@every_response
def test_nothing_is_lost_in_json(name):
    response, values = learned(name)
    state = json.loads(json.dumps(response.to_json()))
    again = response_from_json(state)
    assert type(again) is type(response)
    assert again.to_json() == response.to_json()
    np.testing.assert_array_equal(again.encode(values), response.encode(values))
    np.testing.assert_array_equal(again.restore(again.encode(values)), response.restore(response.encode(values)))


@every_response
@pytest.mark.parametrize("fraction", [0.05, 0.3])
def test_a_split_has_every_row_once(name, fraction):
    response, values = RESPONSES[name]().read(sample(name), ROWS)
    train, held_out = response.split(values, fraction, np.random.RandomState(0))
    assert sorted([*train, *held_out]) == list(range(ROWS))
    assert len(held_out) == pytest.approx(fraction * ROWS, abs=1.5)


@every_response
def test_learning_makes_another_response_and_no_parameter(name):
    stated = RESPONSES[name]()
    before = stated.get_params()
    response, values = stated.read(sample(name), ROWS)
    assert response.learn(values, TRAIN) is not response
    assert stated == type(stated)(**before)
    assert learned(name)[0].get_params().keys() == before.keys()
    with pytest.raises(FrozenInstanceError):
        stated.name = "other"


@every_response
def test_a_response_of_another_length_is_refused(name):
    response, _ = learned(name)
    for read in (response.read, response.values):
        with pytest.raises(DataError, match=f"X has {ROWS - 1}, y has {ROWS}"):
            read(sample(name), ROWS - 1)


# The registry.


def test_a_response_registered_twice_is_refused():
    kinds = dict(RESPONSES)
    with pytest.raises(OptionError, match=r"'numbers' is taken by Numbers: a short name is registered once"):

        @register_response
        @dataclass(frozen=True)
        class Others(Numbers):
            pass

    assert kinds == RESPONSES
    assert register_response(Numbers) is Numbers


def test_unknown_parameters_are_refused():
    with pytest.raises(OptionError, match=r"Numbers has no parameter 'center'\. Its parameters: support"):
        Numbers().set_params(center=3.0)
    with pytest.raises(OptionError, match=r"Classes has no parameter 'order'\. Its parameters: none"):
        Classes().set_params(order=3.0)
    assert issubclass(Numbers, Response)


# Numbers.


@pytest.mark.parametrize("seed", range(3))
def test_training_values_have_mean_zero_and_deviation_one(seed):
    generator = rng("response", seed)
    y = generator.normal(scale=5) + np.exp(generator.normal()) * generator.normal(size=ROWS)
    response = Numbers().learn(y, TRAIN)
    assert np.mean(response.encode(y[TRAIN], float)) == pytest.approx(0.0, abs=1e-12)
    assert np.std(response.encode(y[TRAIN], float)) == pytest.approx(1.0)
    np.testing.assert_allclose(response.restore(response.encode(y, float)), y)
    assert response.log_unit == pytest.approx(np.log(response.unit)) == pytest.approx(np.log(np.std(y[TRAIN])))


def test_default_support_is_the_range_of_all_rows_widened_by_half_of_itself():
    y = np.append(np.linspace(0.0, 8.0, 50), [-1.0, 9.0])
    response = Numbers().learn(y, np.arange(50))
    assert response.ends() == (response.lower, response.upper) == (-6.0, 14.0)
    ends = np.asarray(response.space().ends).ravel()
    np.testing.assert_allclose(ends, response.encode(np.array([-6.0, 14.0])))


def test_response_outside_the_support_names_the_first_row():
    y = np.array([1.0, 2.0, 12.0, 9.0, 14.0])
    message = r"response 'y' must lie in the support \[0, 10\]; row 2 is 12 \(2 such rows\)"
    with pytest.raises(DataError, match=message):
        Numbers(support=(0.0, 10.0)).learn(y, np.arange(5))


@pytest.mark.parametrize("value", [0.0, 0.1, 3e9, -7.3])
def test_constant_response_is_refused(value):
    with pytest.raises(DataError, match=r"The response 'y' must vary; all 5 training values equal"):
        Numbers().learn(np.full(5, value), np.arange(5))


# Classes.


def test_unknown_labels_are_listed_beside_the_known_ones():
    response, _ = Classes().read(["bus", "car"], 2)
    with pytest.raises(DataError, match=r"absent from training: 'bike', 'walk'\. Known: 'bus', 'car'"):
        response.values(["walk", "car", "bike"], 3)


def test_shares_are_those_of_the_training_rows():
    response, codes = learned("classes")
    np.testing.assert_allclose(response.shares, np.bincount(codes[TRAIN]) / len(TRAIN))
    assert [variable.name for variable in response.variables] == ["mode[bus]", "mode[car]", "mode[train]"]


# Several at once.


def test_text_and_booleans_are_classes_and_numbers_are_numbers_unless_stated():
    table = SAMPLES["joint"].assign(code=5 + np.arange(ROWS) % 20)
    kinds = lambda response: [part.short_name for part in response.read(table, ROWS)[0].components]
    assert kinds(Joint()) == ["classes", "numbers", "classes", "numbers"]
    assert kinds(Joint(stated={"code": "classes"})) == ["classes", "numbers", "classes", "classes"]


def test_some_of_several_are_one_by_itself_or_several():
    response, values = learned("joint")
    assert response.some([1]) == response.components[1]
    pair = response.some([1, 0])
    assert pair.names == ("spend", "mode")
    assert pair.log_unit == response.log_unit == response.components[1].log_unit
    np.testing.assert_array_equal(pair.encode(values[:, [1, 0]]), response.encode(values)[:, [1, 0]])
