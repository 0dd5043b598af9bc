"""The seam: two other asset classes on the product's rights, measures, stresses, pools and tables."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from plantation_rwa.schema.shocks import STRESSES

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["compute_hours", "content_rights"])
def test_an_example_is_short(name: str) -> None:
    assert len((EXAMPLES / f"{name}.py").read_text("utf-8").splitlines()) < 80


def test_compute_hours_have_a_value_a_distribution_and_stresses() -> None:
    row = example("compute_hours").main(400).iloc[0]
    assert row["npv_q05"] < row["npv_q50"] < row["npv_q95"]
    # half the rental price within a year hurts more than half the money: power costs stay
    assert row["stress_gfc2008"] < 0.75 * row["npv_fair"]
    assert row["stress_combo"] < row["stress_freeze"] < row["npv_fair"]
    assert row["stress_credit"] < row["npv_fair"]
    assert row["stress_elnino2016"] == pytest.approx(row["npv_fair"]), "a drought means nothing to a computer"
    assert 0 < row["prob_loss"] < 1
    assert row["irr_q50"] > 0
    assert row["breakeven_price"] > 0
    assert row["nav_total_int"] == int(row["npv_fair"] * 100)
    assert {f"stress_{name}" for name in STRESSES} <= set(row.index)


def test_the_median_title_loses_money_and_the_pool_carries_it() -> None:
    titles, pools = example("content_rights").main(1000)
    assert (titles["npv_q50"] < 8_000).all(), "the median title does not bring back its issue price"
    assert (titles["npv_fair"] > 8_000).all(), "the mean does: a few hits pay for all"
    assert (titles["prob_loss"] > 0.5).all()
    by = pools.set_index("tranche")
    assert by.loc["whole", "n_rights"] == 20
    assert by.drop("whole")["nav_total_int"].sum() == by.loc["whole", "nav_total_int"]
    assert by.loc["senior", "advance_rate"] == pytest.approx(0.6)
    # twenty lottery tickets in one audience: the pool is less uncertain than its titles, but not twenty times
    spread = float((titles["sd"] / titles["npv_fair"]).mean())
    assert by.loc["whole", "sd"] / by.loc["whole", "npv_fair"] < 0.9 * spread
