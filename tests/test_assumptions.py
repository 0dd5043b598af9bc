"""Assumptions: every one with a unit and a source, overridden by key, refused with a suggestion."""

from __future__ import annotations

import pytest

from plantation_rwa.assumptions import Assumption, Assumptions, packaged
from plantation_rwa.errors import ConfigError

BASE = Assumptions(
    {
        "netback.cess_myr_t": Assumption("netback.cess_myr_t", 16.0, "MYR t-1", "MPOB order"),
        "age.curve": Assumption("age.curve", [0, 5], "t ha-1", "table 1"),
        "rule.name": Assumption("rule.name", "strict", "", "ours"),
        "rule.on": Assumption("rule.on", True, "", "ours"),
    }
)


def test_values_by_kind() -> None:
    assert BASE.number("netback.cess_myr_t") == 16.0
    assert BASE.table("age.curve") == [0, 5]
    assert BASE.text("rule.name") == "strict"
    assert len(BASE) == 4
    assert BASE["age.curve"].unit == "t ha-1"
    assert list(BASE.resolved()) == ["age.curve", "netback.cess_myr_t", "rule.name", "rule.on"]


def test_an_override_keeps_the_unit_and_names_whose_it_is() -> None:
    out = BASE.override({"netback.cess_myr_t": 20}, where="valuation.assumptions")
    assert out["netback.cess_myr_t"] == Assumption("netback.cess_myr_t", 20, "MYR t-1", "valuation.assumptions")
    assert BASE.number("netback.cess_myr_t") == 16.0


def test_unknown_keys_and_other_kinds_are_refused_together() -> None:
    wrong = {"netback.ces_myr_t": 1, "zzz": 2, "age.curve": 3, "rule.on": 1, "netback.cess_myr_t": True}
    with pytest.raises(ConfigError) as caught:
        BASE.override(wrong, where="forecast.assumptions")
    assert str(caught.value).splitlines() == [
        "forecast.assumptions.netback.ces_myr_t: unknown assumption (got 1). Did you mean 'netback.cess_myr_t'?",
        "forecast.assumptions.zzz: unknown assumption (got 2). See plantation_rwa/data/assumptions/ for the keys.",
        "forecast.assumptions.age.curve: expected the kind of value [0, 5] has (got 3). Give a value of that kind.",
        "forecast.assumptions.rule.on: expected the kind of value True has (got 1). Give a value of that kind.",
        "forecast.assumptions.netback.cess_myr_t: expected the kind of value 16.0 has (got True). "
        "Give a value of that kind.",
    ]


def test_every_packaged_assumption_has_a_value_a_unit_and_a_source() -> None:
    entries = packaged()
    assert len(entries) > 0
    for key, entry in entries.items():
        assert entry.key == key
        assert key.count(".") == 1
        assert entry.value is not None, key
        assert isinstance(entry.unit, str), key
        assert isinstance(entry.source, str), key
        assert entry.source.strip(), key


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("price_model.kappa", -1.0, "outside 1e-06 to 100 (got -1)"),
        ("discount.lgd", 3, "outside 0 to 1 (got 3)"),
        ("drivers.correlation", {"cpo-enso": 5}, "outside -1 to 1 (got 5)"),
        ("ghost.every_months", 0, "outside 1 to 120 (got 0)"),
        ("netback.milling_myr_t", float("inf"), "not a finite number (got inf)"),
    ],
)
def test_a_number_that_cannot_be_is_refused_by_name(key: str, value: object, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        packaged().override({key: value}, where="valuation.assumptions")
    assert f"valuation.assumptions.{key}: {told}" in str(caught.value)


def test_every_packaged_number_lies_within_its_bounds() -> None:
    for key, entry in packaged().items():
        packaged().override({key: entry.value}, where="test")
