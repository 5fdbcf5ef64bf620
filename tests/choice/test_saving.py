"""Models that were saved say what they said before."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import behavior_learning as bl
from behavior_learning.cli import app
from behavior_learning.errors import OptionError
from tests.choice.test_formula import simulated

DATA = simulated(100)
SIGNS = {"cost": "decreasing", "time": "decreasing"}

MODELS = {
    "logit": {"utility": "cost + piecewise(time, 2, 3) + income:C(alternative) + time:C(purpose)"},
    "powers": {"utility": "boxcox(cost) + log(time)"},
    "nests": {"utility": "cost + time", "nests": {"road": ("bus", "car")}},
    "mixed": {"utility": "cost + time", "random": {"cost": "lognormal"}, "draws": 16},
    "paid": {"utility": "cost + time", "money": "cost"},
    "tastes": {
        "utility": "cost + C(alternative)",
        "layers": (2,),
        "tastes": True,
        "heads": (None, "softplus", None),
        "monotone": SIGNS,
        "max_epochs": 5,
        "l2": 0.3,
    },
    "classes": {"utility": "cost + time", "classes": 2, "membership": "income"},
    "blocks": {"utility": "cost + C(alternative)", "layers": (2, 1), "monotone": SIGNS, "max_epochs": 5, "l2": 0.3},
}


@cache
def fitted(name: str) -> bl.BLChoice:
    return bl.BLChoice(**MODELS[name]).fit(DATA)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore::behavior_learning.errors.ConvergenceWarning")
def test_saved_models_say_the_same(name: str, tmp_path):
    model = fitted(name)
    model.save(tmp_path / "once.bl")
    bl.load(tmp_path / "once.bl").save(tmp_path / "twice.bl")
    again = bl.load(tmp_path / "twice.bl")
    assert np.allclose(again.predict_proba(DATA), model.predict_proba(DATA), atol=1e-9)
    assert again.get_params() == model.get_params()
    for cov_type in ("hessian", "robust", "clustered", "auto"):
        assert np.allclose(again.inference(cov_type).bse, model.inference(cov_type).bse, equal_nan=True)
    assert again.loglik == model.loglik
    assert np.allclose(again.shares(DATA), model.shares(DATA))


def test_files_hold_no_data(tmp_path):
    fitted("logit").save(tmp_path / "logit.bl")
    again = bl.load(tmp_path / "logit.bl")
    with pytest.raises(OptionError, match="pass data="):
        again.willingness_to_pay("cost", "cost")
    with pytest.raises(OptionError, match="needs the data"):
        again.inference("clustered", clusters=np.arange(100) % 9)


def test_report_is_one_page(tmp_path):
    fitted("nests").report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert all(text in page for text in ("Nested logit", "mu(road)", "rho²", "observed"))


def test_command_fits_a_csv(tmp_path):
    table = pd.DataFrame(
        {
            "case": DATA.case,
            "mode": np.array(DATA.alternatives)[DATA.alternative],
            "taken": DATA.chosen.astype(int),
            **DATA.attributes,
        }
    )
    table.to_csv(tmp_path / "trips.csv", index=False)
    options = ["--case", "case", "--alternative", "mode", "--chosen", "taken", "-u", "cost + time"]
    run = CliRunner().invoke(app, ["choice", str(tmp_path / "trips.csv"), *options, "-o", str(tmp_path / "m.bl")])
    assert run.exit_code == 0, run.output
    assert "rho²" in run.output
    assert bl.load(tmp_path / "m.bl").params.index.tolist() == ["cost", "time"]
