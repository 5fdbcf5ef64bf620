"""Claims about the package as a whole: light to import, and every public name documented."""

import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys
from importlib.metadata import version

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

import behavior_learning as bl
from behavior_learning import datasets, interchange, metrics, plots
from tests.fitted import ESTIMATORS, QUICK

HEAVY = ("jax", "equinox", "matplotlib", "sympy", "sklearn", "pandas", "scipy", "torch", "typer")
OPTIONAL = ("marginaleffects", "onnx", "torch")
MODULES = [m.name for m in pkgutil.walk_packages(bl.__path__, "behavior_learning.")]


def python(code):
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()


def test_import_loads_nothing_heavy():
    loaded = python("import sys, behavior_learning; print(*{name.split('.')[0] for name in sys.modules})")
    assert "behavior_learning" in loaded
    assert not set(HEAVY) & set(loaded)


def test_estimators_load_neither_figures_nor_algebra_nor_what_is_asked_of_them_later():
    loaded = python("import sys, behavior_learning as bl; bl.BLRegressor; print(*sys.modules)")
    later = ("decision.scenario", "explanation.effects", "inference.results", "learned.score_tests")
    assert not {f"behavior_learning.{name}" for name in later} & set(loaded)
    assert not {"matplotlib", "sympy", "torch", "typer", "sklearn.linear_model"} & set(loaded)


def test_import_sets_no_global_flag():
    state = "jax.config.jax_enable_x64, gc.isenabled(), gc.get_freeze_count()"
    assert python(f"import gc, jax, behavior_learning as bl; bl.BLRegressor; print({state})") == ["False", "True", "0"]


def test_version_is_that_of_the_package():
    assert bl.__version__ == version("behavior-learning")


@pytest.mark.parametrize("name", bl.__all__)
def test_public_name_resolves(name):
    assert getattr(bl, name) is getattr(bl, name)
    assert name in dir(bl)


def test_public_names_are_sorted_and_unique():
    assert len(set(bl.__all__)) == len(bl.__all__)
    names = {}
    exec("from behavior_learning import *", names)
    assert set(bl.__all__) <= set(names)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'behavior_learning' has no attribute 'BLOracle'"):
        bl.BLOracle  # noqa: B018


@pytest.mark.parametrize("module", MODULES)
def test_module_has_a_docstring_and_lists_what_it_defines(module):
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise
        pytest.skip(f"needs {error.name}")
    for name in getattr(loaded, "__all__", ()):
        assert hasattr(loaded, name)
    if loaded.__file__ and not loaded.__file__.endswith("__init__.py"):
        assert loaded.__doc__
        assert loaded.__all__


def public():
    """Public functions and classes by name, those of `datasets`, `interchange`, `metrics` and `plots` included."""
    names = {name: getattr(bl, name) for name in bl.__all__}
    modules = {module.__name__.split(".")[-1]: module for module in (datasets, interchange, metrics, plots)}
    own = {f"{m}.{name}": getattr(module, name) for m, module in modules.items() for name in module.__all__}
    return {name: value for name, value in (names | own).items() if not inspect.ismodule(value)}


CACHE = [
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
]


@pytest.fixture
def same_cache():
    """The cache of compiled programs is afterwards what it was."""
    before = {name: getattr(jax.config, name) for name in CACHE}
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def assert_output_is_as_stated(examples):
    report = []
    for example in examples:
        result = doctest.DocTestRunner().run(example, out=report.append)
        assert result.failed == 0, "".join(report)


@pytest.mark.usefixtures("same_cache")
@pytest.mark.parametrize("name", public())
def test_example_of_a_public_name_runs(name, monkeypatch):
    """On small data and briefly."""
    if name in bl.__all__:
        X, y = datasets.load_boston()
        columns = ["RM", "AGE", "DIS", "TAX", "PTRATIO", "B", "LSTAT"]
        monkeypatch.setattr(datasets, "load_boston", lambda: (X[columns].head(80), y.head(80)))
    for estimator in ESTIMATORS:
        for option in QUICK.keys() - {"layers"}:
            monkeypatch.setitem(estimator.__init__.__kwdefaults__, option, QUICK[option])
    value = public()[name]
    module = importlib.import_module(value.__module__)
    examples = doctest.DocTestFinder(recurse=False).find(value, name, module=module, globs=vars(module).copy())
    examples = [example for example in examples if example.examples]
    assert examples, f"{name} has no example in its docstring"
    assert_output_is_as_stated(examples)


@pytest.mark.slow
@pytest.mark.usefixtures("same_cache")
@pytest.mark.parametrize("module", MODULES)
def test_examples_of_methods_run(module, monkeypatch, tmp_path):
    """Those of what is no public name by itself."""
    monkeypatch.chdir(tmp_path)
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        pytest.skip(f"needs {error.name}")
    own = {value.__doc__ for value in public().values()}
    found = doctest.DocTestFinder().find(loaded, module, globs=vars(loaded).copy())
    assert_output_is_as_stated([each for each in found if each.examples and each.docstring not in own])


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_hyperparameter_is_documented(estimator):
    text = inspect.getdoc(estimator)
    text += inspect.getdoc(bl.BLRegressor) if "As in BLRegressor" in text else ""
    for name in inspect.signature(estimator).parameters:
        assert name in text, f"{name} is missing from the docstring"


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_public_method_is_documented(estimator):
    own = [name for name in vars(estimator) if not name.startswith("_") and callable(vars(estimator)[name])]
    assert own
    for name in own:
        assert inspect.getdoc(getattr(estimator, name)), f"{name} has no docstring"
