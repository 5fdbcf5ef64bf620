"""Every registered response: whatever can be asked of an estimator works, and answers agree with each other."""

import pytest

from behavior_learning.responses import RESPONSES
from tests.responses import every

NAMES = sorted(RESPONSES)


def test_every_response_has_an_example():
    assert set(every.EXAMPLES) == set(NAMES)


@pytest.mark.parametrize("claim", every.QUICK, ids=lambda claim: claim.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_claim_holds(name, claim):
    claim(every.fitted(name))


@pytest.mark.parametrize("name", NAMES)
def test_file_gives_the_same_answers(name, tmp_path):
    every.file_gives_the_same_answers(every.fitted(name), tmp_path / "model.bl")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_report_is_written(name):
    every.report_is_written(every.fitted(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_inference_reaches_the_optimum(name):
    every.inference_reaches_the_optimum(every.fitted(name))
