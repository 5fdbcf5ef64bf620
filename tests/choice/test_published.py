"""Published estimates of choice models, reproduced."""

import numpy as np
import pytest

import behavior_learning as bl
from tests.choice import real

CANADA = "cost + freq + ovt + C(alternative) + income:C(alternative) + ivt:C(alternative)"

PUBLISHED = {
    "Swissmetro": (
        real.swissmetro,
        {"utility": "cost + time + C(alternative)"},
        -5331.252,
        {
            "cost": -1.08379,
            "time": -1.27786,
            "C(alternative)[train]": -0.70119,
            "C(alternative)[car]": -0.15463,
        },
    ),
    "Swissmetro nested": (
        real.swissmetro,
        {"utility": "cost + time + C(alternative)", "nests": {"existing": ["train", "car"]}},
        -5236.900,
        {"cost": -0.8567, "time": -0.8987, "mu(existing)": 2.0541},
    ),
    "Swissmetro Box-Cox": (
        real.swissmetro,
        {"utility": "cost + boxcox(time) + C(alternative)"},
        -5292.095,
        {},
    ),
    "ModeCanada": (
        lambda: real.mode_canada(True),
        {"utility": CANADA},
        -1874.3427,
        {"cost": -0.03334, "freq": 0.09253, "ovt": -0.04300},
    ),
    "ModeCanada ragged": (
        lambda: real.mode_canada(False),
        {"utility": CANADA},
        -2629.1209,
        {"cost": -0.00976, "freq": 0.07585, "ovt": -0.0407},
    ),
    "TravelMode": (
        real.travel_mode,
        {"utility": "gcost + wait + C(alternative)"},
        -199.9766,
        {"gcost": -0.01578, "wait": -0.09709},
    ),
    "TravelMode income": (
        real.travel_mode,
        {"utility": "wait + travel + vcost + C(alternative) + income:C(alternative)"},
        -182.2186,
        {"wait": -0.09528, "travel": -0.00366, "vcost": -0.0045},
    ),
    "Heating": (real.heating, {"utility": "ic + oc"}, -1095.2371, {"ic": -0.00623, "oc": -0.00458}),
    "Heating constants": (
        real.heating,
        {"utility": "ic + oc + C(alternative)"},
        -1008.2287,
        {"ic": -0.00153, "oc": -0.00700, "C(alternative)[ec]": 1.65885, "C(alternative)[gr]": 0.30826},
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_estimates(name: str):
    data, options, log_likelihood, estimates = PUBLISHED[name]
    model = bl.BLChoice(**options).fit(data())
    assert model.loglik == pytest.approx(log_likelihood, abs=6e-4)
    for label, value in estimates.items():
        digits = len(str(value).split(".")[1])
        assert model.params[label] == pytest.approx(value, abs=0.51 * 10.0**-digits)


@pytest.mark.parametrize(
    ("cov_type", "errors"),
    [
        ("hessian", (0.0518, 0.0569, 0.0549, 0.0432)),
        ("robust", (0.0682, 0.1043, 0.0826, 0.0582)),
        ("clustered", (0.1612, 0.2377, 0.1835, 0.1289)),
    ],
)
def test_published_errors(cov_type: str, errors: tuple[float, ...]):
    # Published clustered errors lack the factor G/(G − 1) of this library, 1.0007 on errors.
    results = bl.BLChoice().fit(real.swissmetro()).inference(cov_type)
    assert np.allclose(results.bse, errors, rtol=2e-3)


def test_errors_are_clustered_by_chooser_where_choosers_repeat():
    results = bl.BLChoice().fit(real.swissmetro()).inference()
    assert results.cov_type == "clustered"
    assert "clustered by chooser" in str(results)
    assert bl.BLChoice("gcost + wait").fit(real.travel_mode()).inference().cov_type == "robust"


@pytest.mark.slow
@pytest.mark.parametrize(("panel", "log_likelihood"), [(False, -5214.893), (True, -4359.413)])
def test_normal_coefficient_of_time(panel: bool, log_likelihood: float):
    # 3,201 trapezoidal nodes give −4359.4128 at the panel's optimum; the 300 of the reference are .05 nats wrong.
    model = bl.BLChoice(random={"time": "normal"}, panel=panel).fit(real.swissmetro())
    assert model.loglik == pytest.approx(log_likelihood, abs=2e-3)
