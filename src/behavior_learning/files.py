"""Files that are there whole or not at all."""

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from behavior_learning.errors import DataError

__all__ = ["check_writable", "whole_file", "write_whole"]


def check_writable(path: str | PathLike[str]) -> Path:
    """The file that a path is, links followed.

    Raises
    ------
    DataError
        If nothing can be written there: its folder does not exist, or it is a folder, a device or a pipe.
    """
    try:
        target = Path(os.path.realpath(Path(path)))
        exists, regular, folder = target.exists(), target.is_file(), target.is_dir()
    except (OSError, TypeError, ValueError) as error:
        raise DataError(f"{str(path)!r} cannot be written: {error}. Name another file.") from error
    if not target.parent.is_dir():
        raise DataError(f"{path} cannot be written: there is no folder {Path(path).parent}. Create it first.")
    if folder:
        raise DataError(f"{str(path)!r} cannot be written: it is a folder. Name a file in it.")
    if exists and not regular:
        raise DataError(f"{str(path)!r} cannot be written: it is no regular file. Name a file.")
    return target


def write_whole(path: str | PathLike[str], content: bytes) -> None:
    """Write a file beside its place, down to the disk, and move it there: the old one or the new one, never a part.

    A new file has the permissions that the process gives to new files, one in the place of another its permissions.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    with whole_file(path) as file:
        file.write(content)


@contextmanager
def whole_file(path: str | PathLike[str]) -> Generator[BinaryIO]:
    """A file to write to that takes its place as `write_whole` does, once all is written; on an error it is gone.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    target = check_writable(path)
    beside = target.with_name(f".{target.name[:100]}.{token_hex(6)}.part")
    try:
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
                yield file
                if target.exists():
                    os.chmod(beside, stat.S_IMODE(target.stat().st_mode))
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, target)
            _to_disk(target.parent)
        finally:
            with suppress(FileNotFoundError):
                beside.unlink()
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error}. Name another file or make room.") from error


def _to_disk(folder: Path) -> None:
    """The folder's list of files; systems that cannot keep it themselves."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
