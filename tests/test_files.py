"""Claims about writing files: the old one or the new one, never a part."""

import os
import stat

import pytest

import behavior_learning as bl
from behavior_learning.errors import DataError
from behavior_learning.files import write_whole


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_new_files_have_the_permissions_of_new_files_and_old_ones_keep_theirs(tmp_path):
    path, other = tmp_path / "a", tmp_path / "b"
    other.touch()
    write_whole(path, b"1")
    assert mode(path) == mode(other)
    path.chmod(0o640)
    write_whole(path, b"2")
    assert (mode(path), path.read_bytes()) == (0o640, b"2")


def test_links_are_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_whole(tmp_path / "link", b"1")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"1"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failure_leaves_the_old_file_and_nothing_beside_it(step, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("no space left")

    path = tmp_path / "a"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(DataError, match="cannot be written: no space left"):
        write_whole(path, b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"old")]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/dev/null", "it is no regular file"),
        ("{}", "it is a folder"),
        ("{}/absent/a", "there is no folder"),
        ("{}/a\0b", "cannot be written"),
    ],
)
def test_what_is_no_file_is_refused(path, message, tmp_path):
    with pytest.raises(DataError, match=message):
        write_whole(path.format(tmp_path), b"1")


@pytest.mark.parametrize("path", [None, 3.5, b"model", [], print], ids=repr)
def test_what_is_no_path_is_refused(path):
    with pytest.raises(DataError, match="cannot be written"):
        write_whole(path, b"1")
    with pytest.raises(DataError, match="A model is read from the path of a file"):
        bl.load(path)
