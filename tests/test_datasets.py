"""Claims about public data sets by name: where they are looked for, and what is said where they are not."""

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets as openml
from sklearn.utils import Bunch

import behavior_learning as bl
from behavior_learning.datasets.fetchers import IMAGES, TABLES
from behavior_learning.errors import DataError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BL_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def asked(monkeypatch):
    """Numbers that OpenML was asked for; it cannot be reached."""
    numbers = []

    def fetch_openml(data_id, **options):
        numbers.append(data_id)
        raise OSError("no network")

    monkeypatch.setattr(openml, "fetch_openml", fetch_openml)
    return numbers


def test_table_in_the_folder_is_read_without_its_other_responses(folder, asked):
    table = pd.DataFrame({"Height": [1.0, 2.0], "Y1 Heating Load": [3.0, 4.0], "Y2 Cooling Load": [5.0, 6.0]})
    table.to_parquet(folder / "energy_efficiency.parquet")
    X, y = bl.datasets.fetch_table("energy_efficiency")
    assert list(X) == ["Height"]
    assert y.tolist() == [3.0, 4.0]
    assert not asked


def test_images_in_the_folder_are_rows_of_pixels(folder):
    images = {"x_train": np.arange(12).reshape(3, 2, 2), "x_test": np.ones((1, 2, 2))}
    np.savez(folder / "mnist.npz", **images, y_train=[0, 1, 2], y_test=[3])
    X, y, X_test, y_test = bl.datasets.fetch_images("mnist")
    assert X.tolist() == np.arange(12).reshape(3, 4).tolist()
    assert (y.tolist(), X_test.shape, y_test.tolist()) == ([0, 1, 2], (1, 4), [3])


def test_texts_are_parted_as_their_files_say(folder):
    both = pd.DataFrame({"text": ["good", "bad", "fine"], "label": [1, 0, 1], "split": ["train", "train", "test"]})
    both.to_parquet(folder / "yelp_review_polarity_small.parquet")
    texts, labels, texts_test, labels_test = bl.datasets.fetch_texts("yelp")
    assert (texts.tolist(), labels.tolist()) == (["good", "bad"], [1, 0])
    assert (texts_test.tolist(), labels_test.tolist()) == (["fine"], [1])


@pytest.mark.parametrize("name", [*TABLES, *IMAGES])
def test_what_the_folder_lacks_is_asked_of_openml_by_its_number(folder, asked, name):
    fetch = bl.datasets.fetch_images if name in IMAGES else bl.datasets.fetch_table
    with pytest.raises(DataError, match=f"'{name}' is number .* cannot be reached .no network.. Set BL_DATA"):
        fetch(name)
    assert asked == [IMAGES[name] if name in IMAGES else TABLES[name].openml]


def test_table_of_openml_is_its_data_and_target(folder, monkeypatch):
    X, y = pd.DataFrame({"age": [1, 2]}), pd.Series(["a", "b"], name="class")
    monkeypatch.setattr(openml, "fetch_openml", lambda **options: Bunch(data=X, target=y))
    found = bl.datasets.fetch_table("adult")
    assert found[0].equals(X)
    assert found[1].equals(y)


@pytest.mark.parametrize("fetch", [bl.datasets.fetch_table, bl.datasets.fetch_images, bl.datasets.fetch_texts])
def test_unknown_name_is_refused_beside_the_known_ones(fetch):
    with pytest.raises(DataError, match=r"There is no data set 'mnits' of this kind\. Known: "):
        fetch("mnits")


def test_texts_that_are_missing_name_their_file(folder):
    with pytest.raises(
        DataError, match=r"'ag_news' needs ag_news_train_part\.parquet in the folder that BL_DATA names"
    ):
        bl.datasets.fetch_texts("ag_news")


def test_folder_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("BL_DATA", "nowhere")
    with pytest.raises(DataError, match=r"BL_DATA='nowhere' is no folder"):
        bl.datasets.fetch_table("adult")
