"""Responses that cannot be registered, or that an estimator cannot hold."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

import behavior_learning as bl
from behavior_learning.errors import OptionError
from behavior_learning.options import from_plain, to_plain
from behavior_learning.responses import RESPONSES


def test_response_is_registered_once():
    @dataclass(frozen=True)
    class Tallies(bl.Counts):
        short_name: ClassVar[str] = "counts"

    with pytest.raises(OptionError, match=r"'counts' is taken by Counts: a short name is registered once"):
        bl.register_response(Tallies)
    assert RESPONSES["counts"] is bl.Counts
    assert bl.register_response(bl.Counts) is bl.Counts


def test_estimator_refuses_what_it_cannot_hold():
    X, y = [[0.0], [1.0]] * 5, [0, 1] * 5
    with pytest.raises(OptionError, match=r"BLRegressor holds numbers; bl.Ordered\(\) has labels. Use BLClassifier."):
        bl.BLRegressor(response=bl.Ordered([0, 1])).fit(X, y)
    for response in (bl.Counts(), bl.Censored(), bl.Numbers()):
        with pytest.raises(OptionError, match=r"BLClassifier holds labels, and bl.*is of numbers. Use BLRegressor."):
            bl.BLClassifier(response=response).fit(X, y)
    with pytest.raises(OptionError, match=r"response must be one of .*bl.Counts\(\).*got 'tallies'"):
        bl.BLRegressor(response="tallies").fit(X, y)


@pytest.mark.parametrize("response", [bl.Counts(7), bl.Ordered(["a", "b"]), bl.Censored(upper=2), bl.Numbers((0, 1))])
def test_response_travels_with_parameters_and_files(response):
    again = from_plain(to_plain(response))
    assert type(again) is type(response)
    assert to_plain(again) == to_plain(response)
