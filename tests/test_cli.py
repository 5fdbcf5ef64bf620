"""Claims about the command `bl`: what it writes, what it prints, and one readable line where it cannot go on."""

import io
import re
import subprocess
import sys
from functools import partial
from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split
from typer.testing import CliRunner

import behavior_learning as bl
from behavior_learning import datasets
from behavior_learning.cli import COMMANDS, app
from tests.fitted import ESTIMATORS, QUICK, amounts, labels, mixed, numbers

TARGET = {"regression": "spend", "classification": "mode"}


@pytest.fixture(scope="module", autouse=True)
def _small_budget():
    """Estimators of the command line train as briefly as those of the other tests."""
    with pytest.MonkeyPatch.context() as patch:
        for estimator in ESTIMATORS:
            for name, value in QUICK.items():
                patch.setitem(estimator.__init__.__kwdefaults__, name, value)
        yield


def run(*arguments, code=0):
    """What a command prints; any exception that is no exit code fails the test."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def fails(message, *arguments):
    """A command ends with code 2 and one readable line."""
    result = run(*arguments, code=2)
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert lines[-1].startswith("error: ")
    assert sum("error" in line for line in lines) == 1
    assert "Traceback" not in result.output
    assert re.search(message, lines[-1]), lines[-1]


def table():
    """100 rows, of which `bl fit` holds out 20."""
    X = pd.concat([mixed(0), mixed(1).head(20)], ignore_index=True)
    first = pd.concat([amounts(mixed(0)), amounts(mixed(1)).head(20)], ignore_index=True)
    second = pd.concat([labels(mixed(0)), labels(mixed(1)).head(20)], ignore_index=True)
    return X.assign(spend=first, mode=second)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tables in both formats, and a model of each task with what fitting it printed."""
    path = tmp_path_factory.mktemp("cli")
    for task, target in TARGET.items():
        data = table().drop(columns=set(TARGET.values()) - {target})
        data.to_csv(path / f"{task}.csv", index=False)
        data.to_parquet(path / f"{task}.parquet", index=False)
    for task, target in TARGET.items():
        suffix = "csv" if task == "regression" else "parquet"
        result = run("fit", path / f"{task}.{suffix}", "-y", target, "-o", path / f"{task}.bl", "--layers", "2,1", "-q")
        (path / f"{task}.out").write_text(result.stdout)
        (path / f"{task}.err").write_text(result.stderr)
    return path


every_task = pytest.mark.parametrize("task", TARGET)


# Fit.


@every_task
def test_fit_reports_held_out_scores_and_where_the_model_is(folder, task):
    said = (folder / f"{task}.out").read_text()
    score = {"regression": "R²", "classification": "accuracy"}[task]
    number = r"-?\d+\.\d{3}"
    assert re.search(rf"held out \((19|20) rows\): {score} {number}, negative log-likelihood {number} nats", said)
    assert f"wrote {folder / task}.bl" in said
    assert f"bl explain {folder / task}.bl" in said
    assert re.search(r"\(\d+ parameters\)", said)


@every_task
def test_fit_says_which_task_it_took_and_how_to_choose(folder, task):
    assert re.search(rf"distinct values: learning it by {task} \(--task", (folder / f"{task}.err").read_text())


@every_task
def test_fit_writes_a_model_with_the_seed_and_layers_asked_for(folder, task):
    model = bl.load(folder / f"{task}.bl")
    assert isinstance(model, {"regression": bl.BLRegressor, "classification": bl.BLClassifier}[task])
    assert tuple(model.layers) == (2, 1)
    assert model.random_state == 0
    assert model.model_.response.name == TARGET[task]
    assert model.feature_names_in_.tolist() == ["age", "income", "owner", "job"]


@every_task
def test_csv_and_parquet_give_the_same_model(folder, task, tmp_path):
    suffix = {"regression": "parquet", "classification": "csv"}[task]
    run("fit", folder / f"{task}.{suffix}", "-y", TARGET[task], "-o", tmp_path / "other.bl", "--layers", "2,1", "-q")
    X = table()[["age", "income", "owner", "job"]]
    one, other = bl.load(folder / f"{task}.bl"), bl.load(tmp_path / "other.bl")
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_progress_goes_to_standard_error_and_quiet_silences_it(folder, tmp_path):
    arguments = ("fit", folder / "regression.csv", "-y", "spend", "-o", tmp_path / "m.bl", "--layers", "2,1")
    loud, quiet = run(*arguments), run(*arguments, "--quiet")
    assert "learning" in loud.stderr.replace("learning it by", "")
    assert "learning" not in quiet.stderr.replace("learning it by", "").replace("learning_rate", "")
    assert "learning" not in loud.stdout


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["yes", "no"], "classification"),
        ([True, False], "classification"),
        ([0, 1], "classification"),
        (range(100), "regression"),
        ([0.5 * i for i in range(100)], "regression"),
    ],
    ids=["text", "booleans", "few integers", "many integers", "numbers"],
)
def test_task_follows_from_the_target(values, task, tmp_path):
    target = pd.Series(list(values) * (100 // len(values)), name="target")
    table().drop(columns=["spend", "mode"]).assign(target=target).to_csv(tmp_path / "t.csv", index=False)
    result = CliRunner().invoke(app, ["fit", str(tmp_path / "t.csv"), "-y", "target", "--layers", "none"])
    assert f"learning it by {task}" in result.stderr


@pytest.mark.parametrize("target", ["spend", "mode"])
def test_rows_of_a_group_are_not_both_trained_on_and_judged_by(target, tmp_path, monkeypatch):
    days = np.arange(100) // 4
    table().assign(day=days).to_csv(tmp_path / "t.csv", index=False)
    fits, kind = [], bl.BLRegressor if target == "spend" else bl.BLClassifier
    monkeypatch.setattr(
        kind, "fit", lambda self, X, y, groups, fit=kind.fit: fits.append(X) or fit(self, X, y, groups=groups)
    )
    arguments = ("fit", tmp_path / "t.csv", "-y", target, "-o", tmp_path / "m.bl", "--layers", "2,1", "-q", "--groups")
    run(*arguments, "day")
    [X] = fits
    assert "day" not in X.columns
    seen = np.bincount(days[X.index], minlength=25)
    assert set(seen) == {0, 4}
    assert 0 < (seen == 0).mean() < 0.3
    fails("no column 'week'", *arguments, "week")
    fails(f"--groups names '{target}', which is learned", *arguments, target)


def test_rare_class_outside_the_training_rows_does_not_fail_the_fit(tmp_path):
    data = pd.concat([numbers(0), numbers(1).head(20)], ignore_index=True)
    data["mode"] = np.where(np.arange(100) % 2, "bus", "car")
    data.loc[train_test_split(np.arange(100), test_size=0.2, random_state=0)[1][0], "mode"] = "boat"
    data.to_csv(tmp_path / "t.csv", index=False)
    run("fit", tmp_path / "t.csv", "-y", "mode", "-o", tmp_path / "m.bl", "--layers", "2,1", "-q")
    assert bl.load(tmp_path / "m.bl").classes_.tolist() == ["boat", "bus", "car"]


# Predict.


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_predictions_of_numbers_have_their_interval(folder, suffix, tmp_path):
    model, X = bl.load(folder / "regression.bl"), pd.read_csv(folder / "regression.csv")
    path = tmp_path / f"p.{suffix}"
    said = run(
        "predict", folder / "regression.bl", folder / f"regression.{suffix}", "-o", path, "--coverage", "0.5"
    ).stdout
    assert f"wrote 100 predictions to {path}" in said
    found = pd.read_csv(path) if suffix == "csv" else pd.read_parquet(path)
    assert list(found.columns) == ["spend", "lower", "upper"]
    features = X.drop(columns="spend")
    np.testing.assert_allclose(found["spend"], model.predict(features), rtol=1e-9)
    np.testing.assert_allclose(found[["lower", "upper"]], model.predict_interval(features, 0.5), rtol=1e-9)


def test_several_files_are_predicted_to_one(folder, tmp_path):
    data = folder / "regression.parquet"
    run("predict", folder / "regression.bl", data, data, "-o", tmp_path / "p.parquet")
    one = bl.load(folder / "regression.bl").predict(pd.read_parquet(data).drop(columns="spend"))
    np.testing.assert_allclose(pd.read_parquet(tmp_path / "p.parquet")["spend"], np.tile(one, 2), rtol=1e-4)
    assert "from .parquet files to one" in run("predict", folder / "regression.bl", data, data, code=2).stderr


def test_predictions_of_classes_have_their_probabilities(folder, tmp_path):
    model, X = bl.load(folder / "classification.bl"), pd.read_csv(folder / "classification.csv")
    run("predict", folder / "classification.bl", folder / "classification.csv", "-o", tmp_path / "p.csv")
    found = pd.read_csv(tmp_path / "p.csv")
    assert list(found.columns) == ["mode", "P(bus)", "P(car)", "P(train)"]
    np.testing.assert_array_equal(found["mode"], model.predict(X.drop(columns="mode")))
    np.testing.assert_allclose(found.iloc[:, 1:], model.predict_proba(X.drop(columns="mode")), atol=1e-9)


@every_task
def test_predictions_without_a_file_are_csv_on_standard_output(folder, task, tmp_path):
    table().drop(columns=["spend", "mode"]).head(16).to_csv(tmp_path / "new.csv", index=False)
    printed = pd.read_csv(io.StringIO(run("predict", folder / f"{task}.bl", tmp_path / "new.csv").stdout))
    assert len(printed) == 16
    assert printed.columns[0] == TARGET[task]


def test_unseen_category_warns_and_predicts(folder, tmp_path):
    table().drop(columns=["spend", "mode"]).head(16).assign(job="pilot").to_csv(tmp_path / "new.csv", index=False)
    result = run("predict", folder / "regression.bl", tmp_path / "new.csv")
    assert re.search("warning: .*'job'.*'pilot'", result.stderr)
    assert len(result.stdout.splitlines()) == 17


# Explain.


@every_task
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), lambda problem: problem.text()),
        (("--terms", 2), lambda problem: problem.text(2)),
        (("--terms", 0), lambda problem: problem.text(None)),
        (("--latex",), lambda problem: problem.to_latex()),
        (("--latex", "--terms", 0), lambda problem: problem.to_latex(None)),
    ],
    ids=["plain", "two terms", "all terms", "latex", "all in latex"],
)
def test_explain_prints_the_problem_that_was_learned(folder, task, options, expected):
    printed = run("explain", folder / f"{task}.bl", *options).stdout
    assert printed == expected(bl.load(folder / f"{task}.bl").problem_) + "\n"


# Errors.


@pytest.fixture
def write(tmp_path):
    """Write a table, text or bytes to a file."""

    def write(content, name="bad.csv"):
        path = tmp_path / name
        if isinstance(content, pd.DataFrame):
            content.to_csv(path, index=False)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content)
        return path

    return write


def test_missing_file_is_named(tmp_path):
    fails(r"There is no file .*absent\.csv", "fit", tmp_path / "absent.csv", "-y", "spend")
    fails(r"There is no file .*absent\.bl", "explain", tmp_path / "absent.bl")
    fails(r"There is no file .*absent\.bl", "predict", tmp_path / "absent.bl", tmp_path / "absent.csv")


def test_other_formats_are_refused(write, folder, tmp_path):
    fails(r"must be a \.csv, \.tsv or \.parquet file.*got .*bad\.xlsx", "fit", write("a,b", "bad.xlsx"), "-y", "b")
    data = folder / "regression.csv"
    fails(
        r"\.csv, \.tsv or \.parquet file; got .*p\.txt",
        "predict",
        folder / "regression.bl",
        data,
        "-o",
        tmp_path / "p.txt",
    )


@pytest.mark.parametrize(
    ("content", "name"),
    [("", "empty.csv"), ("a,b\n1,2\n1,2,3\n", "ragged.csv"), (b"\x00\x01\xff\xfe", "binary.csv"), ("a,b", "t.parquet")],
)
def test_unreadable_tables_are_refused(write, content, name):
    fails(rf"{name} could not be read as {name.split('.')[1]}", "fit", write(content, name), "-y", "a")


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_tables_too_short_to_learn_from_are_refused(write, rows, tmp_path):
    data = table().drop(columns="mode").head(rows)
    fails("rows|sample", "fit", write(data), "-y", "spend", "-o", tmp_path / "m.bl", "--task", "regression", "-q")
    assert not (tmp_path / "m.bl").exists()


def test_unknown_target_lists_the_columns(folder):
    message = r"has no column 'price'; its columns are 'age', 'income', 'owner', 'job', 'spend'"
    fails(message, "fit", folder / "regression.csv", "-y", "price")


def test_brackets_in_column_names_are_shown_as_they_are(write):
    data = table().drop(columns="mode").rename(columns={"age": "age[years]", "income": "[bold]income[/bold]"})
    fails(r"'age\[years\]', '\[bold\]income\[/bold\]'", "fit", write(data), "-y", "[red]")
    fails(r"no column 'x\[/\]'", "fit", write(data), "-y", "x[/]")


def test_unknown_options_list_the_valid_ones(folder):
    data = folder / "regression.csv"
    fails(
        "--task must be auto, regression or classification; got 'ranking'",
        "fit",
        data,
        "-y",
        "spend",
        "--task",
        "ranking",
    )
    fails("--layers needs whole numbers such as 2,1; got 'two'", "fit", data, "-y", "spend", "--layers", "two")
    fails(r"layers needs one positive integer per layer.*got \(0,\)", "fit", data, "-y", "spend", "--layers", "0")
    fails(
        "coverage must be a number above 0 and below 1", "predict", folder / "regression.bl", data, "--coverage", "90"
    )


def test_negative_number_of_terms_is_refused(folder):
    result = CliRunner().invoke(app, ["explain", str(folder / "regression.bl"), "--terms", "-3"])
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)


def test_bad_values_in_a_table_are_named(write, tmp_path):
    arguments = ("-o", tmp_path / "m.bl", "--task", "regression", "-q")
    data = table().drop(columns="mode")
    fails("Column 'height' has no value", "fit", write(data.assign(height=np.nan)), "-y", "spend", *arguments)
    fails("'income' must be finite", "fit", write(data.assign(income=np.inf)), "-y", "spend", *arguments)
    fails("response 'spend' must vary", "fit", write(data.assign(spend=3.5)), "-y", "spend", *arguments)
    fails("response 'spend' must be finite", "fit", write(data.assign(spend=np.nan)), "-y", "spend", *arguments)
    fails("must hold numbers; got '", "fit", write(data), "-y", "job", *arguments)
    assert not (tmp_path / "m.bl").exists()


def test_row_that_is_wrong_is_the_row_of_the_file(write, tmp_path):
    data = table().drop(columns="mode")
    data.loc[41, "spend"] = np.nan
    fails("row 41 is nan", "fit", write(data), "-y", "spend", "-o", tmp_path / "m.bl", "--task", "regression", "-q")


def test_missing_and_unexpected_columns_are_named_at_prediction(folder, write):
    data = table().drop(columns=["spend", "mode", "age"]).assign(height=1.0)
    fails("missing: 'age'; unexpected: 'height'", "predict", folder / "regression.bl", write(data))


def test_file_that_is_no_model_is_refused(folder, write):
    path = write("nonsense", "m.bl")
    fails(r"m\.bl is no model file of this library", "explain", path)
    fails(r"m\.bl is no model file of this library", "predict", path, folder / "regression.csv")


def test_folder_that_does_not_exist_is_named(folder, tmp_path):
    data, absent = folder / "regression.csv", tmp_path / "absent"
    fails("absent", "fit", data, "-y", "spend", "-o", absent / "m.bl", "--layers", "2,1", "-q")
    fails("absent", "predict", folder / "regression.bl", data, "-o", absent / "p.csv")


def test_help_lists_every_command_with_the_first_line_of_its_own():
    said = run("--help").stdout
    for command, line in COMMANDS.items():
        assert command in said
        assert " ".join(run(command, "--help").stdout.split()).count(line[:40]) == 1


def test_help_is_light():
    code = (
        "import sys; from behavior_learning.cli import app; app(['--help'], standalone_mode=False); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"jax", "numpy", "pandas", "sklearn", "matplotlib"} & set(loaded)


def test_version_is_that_of_the_package():
    assert version("behavior-learning") in run("--version").stdout


# Settings.


def test_any_setting_can_be_given_and_a_wrong_one_is_named(folder, tmp_path):
    data, model = folder / "regression.csv", tmp_path / "m.bl"
    run("fit", data, "-y", "spend", "-o", model, "-q", "--set", "layers=(2, 1)", "--set", "basis=bl", code=2)
    run("fit", data, "-y", "spend", "-o", model, "-q", "--set", "layers=(2, 1)", "--set", "penalty__l2=2.5")
    assert bl.load(model).penalty == bl.Penalty(l2=2.5)
    fails("--set: .*'knots'", "fit", data, "-y", "spend", "-o", model, "-q", "--set", "knots=3")
    fails("--set needs name=value", "fit", data, "-y", "spend", "-o", model, "-q", "--set", "knots")


def test_questions_about_rows_are_answered(folder):
    answer = run("effects", folder / "regression.bl", folder / "regression.csv", "--refits", "0")
    assert "income" in answer.stdout
    fails("need smooth heads", "inference", folder / "regression.bl", folder / "regression.csv")


def test_problem_is_solved_again_and_changed(folder):
    files = folder / "regression.bl", folder / "regression.csv"
    solved = run("solve", *files).output
    assert "price of block1.1.inequality" in solved
    asked = ("--scale", "age=1.01", "--drop", "block1.1.equality")
    quiet, told = run("counterfactual", *files, "--no-errors", *asked), run("counterfactual", *files, *asked)
    assert "scenario" in quiet.stdout
    assert told.stdout == quiet.stdout
    assert "No standard errors: the heads have kinks" in told.stderr
    assert "No standard errors" not in quiet.stderr
    fails("no column 'agee' to change", "counterfactual", *files, "--set", "agee=1")
    fails("takes NAME=VALUE", "counterfactual", *files, "--set", "age")


# Discovery.


def test_discover_asks_for_what_is_said(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(bl, "discover", lambda X, y, **options: asked.update(options, columns=list(X)))
    pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 3.0]}).to_csv(tmp_path / "own.csv", index=False)
    run(
        "discover",
        tmp_path / "own.csv",
        "-y",
        "b",
        "--honest",
        "--limits",
        "response",
        "--bends",
        "3",
        "--rising",
        "a",
        "--units",
        "a=EUR/kg",
        "--units",
        "b=kg",
        "-q",
    )
    said = {"columns": ["a"], "honest": True, "limits": "response", "bends": 3, "rising": ["a"], "degree": 1}
    said["units"] = {"a": "EUR/kg", "b": "kg"}
    assert {name: asked[name] for name in said} == said


# Demo.


def test_demo_prints_a_problem_with_what_supports_it_and_writes_it(tmp_path, monkeypatch):
    X, y = datasets.load_auto_mpg()
    monkeypatch.setattr(datasets, "load_auto_mpg", lambda: (X[["weight", "year", "origin"]].head(200), y.head(200)))
    monkeypatch.setattr(bl, "discover", partial(bl.discover, folds=2, pairs=1, max_terms=4))
    said = run("demo", "-o", tmp_path / "bl-demo").stdout
    for words in (
        "recurs in",
        "std. error",
        "that chose nothing",
        "remainder",
        "linear regression",
        "boosting",
        "weight",
    ):
        assert words in said
    model = bl.load(tmp_path / "bl-demo" / "auto_mpg.bl")
    assert str(model.problem_) in said
    assert (tmp_path / "bl-demo" / "intervals.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in (tmp_path / "bl-demo").iterdir()} == {"auto_mpg.bl", "intervals.png"}
