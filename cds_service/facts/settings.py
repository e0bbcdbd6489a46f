"""The numbers that the facts share, in force on one day: bands of vitamin D, limits of results, how old they may be."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from . import (
    calcium_intake,
    clearance,
    creatinine,
    diet,
    renal,
    serum_calcium,
    vitamin_d,
    vitamin_d_regimen,
    vitamin_d_state,
    vitamin_d_supply,
)

Limits = TypeVar("Limits")

# The knowledge files of this room, by the id under which a manifest approves them.
KNOWLEDGE_FILES = {
    "vitamin-d-status": Path(__file__).with_name("vitamin_d.json"),
    "serum-calcium": Path(__file__).with_name("serum_calcium.json"),
    "calcium-intake": Path(__file__).with_name("calcium_intake.json"),
    "renal-function": Path(__file__).with_name("renal.json"),
    "laboratory-results": Path(__file__).with_name("laboratory.json"),
    "orders-on-record": Path(__file__).with_name("orders.json"),
}


@dataclass(frozen=True, slots=True)
class LaboratoryLimits:
    """How old single results may be and still count, in days."""

    pth_lookback_days: int
    phosphate_lookback_days: int
    urine_calcium_lookback_days: int


@dataclass(frozen=True, slots=True)
class OrderLimits:
    """For how many days after it was written an infusion order is looked at on opening a chart, and a single dose on
    record is taken for one that is still to come.
    """

    unasked_days: int
    single_dose_days: int


@dataclass(frozen=True, slots=True)
class Settings:
    """The shared numbers, as the modules of this room want them."""

    bands: vitamin_d.Bands
    vitamin_d: vitamin_d_state.Limits
    supply: vitamin_d_supply.Limits
    regimens: vitamin_d_regimen.Limits
    serum_calcium: serum_calcium.Limits
    calcium_intake: calcium_intake.Limits
    diet: diet.Limits
    renal: renal.Limits
    clearance: clearance.Limits
    creatinine: creatinine.Limits
    laboratory: LaboratoryLimits
    orders: OrderLimits

    @classmethod
    def of(cls, values: Mapping[str, Mapping[str, Any]]) -> Settings:
        """From the values in force, by the id of the knowledge file and the name of the parameter."""
        status, calcium = values["vitamin-d-status"], values["serum-calcium"]
        return cls(
            bands=_pick(vitamin_d.Bands, status),
            vitamin_d=_pick(vitamin_d_state.Limits, status),
            supply=_pick(vitamin_d_supply.Limits, status),
            regimens=_pick(vitamin_d_regimen.Limits, status),
            serum_calcium=_pick(serum_calcium.Limits, calcium),
            calcium_intake=_pick(calcium_intake.Limits, values["calcium-intake"]),
            diet=_pick(diet.Limits, values["calcium-intake"]),
            renal=_pick(renal.Limits, values["renal-function"]),
            clearance=_pick(clearance.Limits, values["renal-function"]),
            creatinine=_pick(creatinine.Limits, values["renal-function"]),
            laboratory=_pick(LaboratoryLimits, values["laboratory-results"]),
            orders=_pick(OrderLimits, values["orders-on-record"]),
        )


def _pick(kind: type[Limits], values: Mapping[str, Any]) -> Limits:
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]  # every Limits is a dataclass
    return kind(**{name: values[name] for name in names})
