"""Real choices, where they are at hand: they are no part of the project."""

from functools import cache
from pathlib import Path

import pandas as pd
import pytest

import behavior_learning as bl

FOLDER = Path(__file__).parents[3] / "shared" / "data"


def read(name: str) -> pd.DataFrame:
    path = FOLDER / f"{name}.parquet"
    return pd.read_parquet(path) if path.is_file() else pytest.skip(f"{path.name} is not at hand")


@cache
def swissmetro_table() -> pd.DataFrame:
    table = read("swissmetro")
    table = table[table.PURPOSE.isin([1, 3]) & (table.CHOICE != 0)].astype(float)
    pays = (table.GA == 0) / 100
    return table.assign(
        TRAIN_CO=table.TRAIN_CO * pays,
        SM_CO=table.SM_CO * pays,
        CAR_CO=table.CAR_CO / 100,
        TRAIN_TT=table.TRAIN_TT / 100,
        SM_TT=table.SM_TT / 100,
        CAR_TT=table.CAR_TT / 100,
        TRAIN_AV=table.TRAIN_AV * (table.SP != 0),
        CAR_AV=table.CAR_AV * (table.SP != 0),
    )


@cache
def swissmetro() -> bl.ChoiceData:
    """6,768 trips of 752 people, as in the examples of Biogeme."""
    prefixes = {"swissmetro": "SM", "train": "TRAIN", "car": "CAR"}
    columns = {name: {"cost": f"{p}_CO", "time": f"{p}_TT", "available": f"{p}_AV"} for name, p in prefixes.items()}
    codes = {1: "train", 2: "swissmetro", 3: "car"}
    return bl.ChoiceData.from_wide(swissmetro_table(), columns, "CHOICE", codes, id="ID")


@cache
def mode_canada(complete: bool) -> bl.ChoiceData:
    """4,324 trips with 2 to 4 modes, or the 2,779 with all four."""
    table = read("mode_canada")
    return bl.ChoiceData.from_long(
        table[table.noalt == 4] if complete else table, "case", "alt", "choice", chooser=["income", "urban"]
    )


@cache
def travel_mode() -> bl.ChoiceData:
    """210 trips by four modes."""
    table = read("travel_mode")
    table = table.assign(choice=(table.choice == "yes").astype(int))
    return bl.ChoiceData.from_long(table, "individual", "mode", "choice", chooser=["income", "size"])


@cache
def heating() -> bl.ChoiceData:
    """900 houses and five heating systems, the heat pump first."""
    names = ("hp", "ec", "er", "gc", "gr")
    columns = {name: {"ic": f"ic.{name}", "oc": f"oc.{name}"} for name in names}
    return bl.ChoiceData.from_wide(read("heating_choice"), columns, "depvar", chooser=["income", "rooms"])
