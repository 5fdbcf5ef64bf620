"""Reports of fitted models, and a page taken apart."""

from copy import copy
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from typer.testing import CliRunner

from behavior_learning.cli import app
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.regressor import BLRegressor
from tests.fitted import fitted, mixed, response

HOSTILE = (
    '</script><script>alert("name")</script>',
    "<img src=x onerror=alert(1)>",
    "a\"b'c`&amp;$d$",
    "{{x}}${y}\\u2028",
)
"""Names that would do harm where they are not escaped."""

VOID = {"meta", "link", "br", "img", "input", "hr"}


@cache
def page(estimator: type, *, seen: bool = False) -> str:
    """The report of a fitted model on its own table: the classifier's from the shell, the regressor's from Python.

    Where `seen`, the model is left to take the rows that it was fitted to.
    """
    X, model = mixed(), fitted(estimator)
    if estimator is BLClassifier:
        return _from_the_shell(model, X.assign(mode=response(estimator, X)))
    return (model.report() if seen else model.report(None, X, response(estimator, X))).html


def _from_the_shell(model: Any, table: pd.DataFrame) -> str:
    with TemporaryDirectory() as folder:
        saved, data, written = (Path(folder) / name for name in ("model.bl", "table.csv", "page.html"))
        model.save(saved)
        table.to_csv(data, index=False)
        arguments = ["report", saved, "--data", data, "-o", written, "--title", "From the shell"]
        result = CliRunner().invoke(app, list(map(str, arguments)))
        assert result.exit_code == 0, result.output
        return written.read_text(encoding="utf-8")


@cache
def hostile() -> str:
    """A report of a classifier whose columns, classes and response have hostile names."""
    model = copy(fitted(BLClassifier))
    learned = model.model_
    names = dict(zip(learned.encoder.names, HOSTILE, strict=True))
    columns = tuple(replace(c, source=names[c.source], level=f"<b>{c.level}") for c in learned.encoder.columns)
    levels = tuple(f"{HOSTILE[0]}{i}" for i in range(3))
    model.model_ = replace(
        learned,
        encoder=replace(learned.encoder, names=tuple(names.values()), columns=columns),
        response=replace(learned.response, name=f"r{HOSTILE[1]}", levels=levels, dtype="object"),
    )
    return model.report(title=HOSTILE[0]).html


class Page(HTMLParser):
    """What is in a page: elements with their attributes and texts; open and closing tags must match."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"{tag} repeats an attribute: {attrs}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> closes something else at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return "".join(data for parent, data in self.texts if parent not in ("script", "style"))


ESTIMATORS = (BLRegressor, BLClassifier)
