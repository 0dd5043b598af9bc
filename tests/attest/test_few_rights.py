"""Pools of few rights: what everybody sees tells no single right's value, not even by difference."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.attest.checking import Trust, end_of_day
from plantation_rwa.attest.disclosure import feeds, pool_texts, told_totals, withheld_pools
from plantation_rwa.run.verify import verify
from plantation_rwa.testing import edit_config
from tests.conftest import run_world

TODAY = Trust({}, None, end_of_day("2026-06-10"))


@pytest.mark.parametrize(
    ("valued", "hidden"),
    [
        ({"a": 5, "b": 3}, set()),
        ({"a": 5, "b": 1}, {"a", "b"}),  # all less a is b
        ({"a": 5, "b": 2}, {"a", "b"}),
        ({"a": 5, "b": 1, "c": 2}, {"b", "c"}),  # all less a are three rights
        ({"a": 5, "b": 1, "c": 9}, {"a", "b"}),
        ({"a": 1}, {"a"}),
        ({"a": 4, "b": 0}, {"a", "b"}),
        ({"a": 1, "b": 1}, {"a", "b"}),
    ],
)
def test_pools_of_few_rights_are_withheld_with_what_would_show_them(valued: dict[str, int], hidden: set[str]) -> None:
    assert withheld_pools(dict.fromkeys(valued, "MYR"), valued, 3) == hidden


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 6), min_size=1), st.integers(1, 4))
def test_no_sum_of_what_is_shown_leaves_few_rights(valued: dict[str, int], least: int) -> None:
    """Total less any of the shown pools: the rest holds enough rights or all there are; shown ones hold enough."""
    hidden = withheld_pools(dict.fromkeys(valued, "MYR"), valued, least)
    shown = set(valued) - hidden
    assert all(valued[p] >= least for p in shown)
    for count in range(len(shown) + 1):
        for chosen in combinations(sorted(shown), count):
            rest = sum(v for p, v in valued.items() if p not in chosen)
            assert rest == 0 or rest >= least or not shown


def test_a_currency_is_not_hidden_behind_another() -> None:
    currencies = {"a": "MYR", "b": "MYR", "c": "IDR"}
    assert withheld_pools(currencies, {"a": 9, "b": 9, "c": 1}, 3) == {"c"}


def test_of_a_withheld_pool_the_reason_is_told_and_no_feed_made() -> None:
    row = {"pool_id": "P", "tranche": "whole", "currency": "MYR", "n_rights": 1, "nav_total_int": 77, "decimals": 2}
    other = {**row, "pool_id": "Q", "nav_total_int": 5, "n_rights": 3}
    pools = pool_texts([row, other], frozenset({"P"}))
    assert pools[0] == {
        "pool_id": "P", "tranche": "whole", "currency": "MYR", "n_rights": "1", "decimals": "2", "withheld": "too_few",
    }  # fmt: skip
    total = {"currency": "MYR", "decimals": 2, "records": 2, "without_value": 0, "nav_total_int": "82"}
    disclosure = {
        "as_of": "2026-05-31", "currency": "MYR", "portfolio": "p", "totals": [total], "pools": pools,
        "feeds": {"heartbeat_s": 1}, "few_rights": 3,
    }  # fmt: skip
    made = feeds(disclosure, 5)
    assert (made["answer"], [f["answer"] for f in made["pools"]]) == ("82", ["5"])
    assert told_totals(disclosure) == ["the total in MYR is that of 2 rights"]


@pytest.mark.slow
def test_the_public_folder_tells_no_value_of_a_pool_of_one(light_world: Path, tmp_path: Path) -> None:
    """Four rights, one of them alone in a pool: neither its pool nor what is left without it is anywhere to be read."""
    rows = [f"SIM-00{i},R1,{'ALONE' if i == 2 else 'REST'}" for i in range(1, 5)]
    (light_world.parent / "rights.csv").write_text("\n".join(["plantation_id,right_id,pool_id", *rows]) + "\n", "utf-8")
    out = tmp_path / "out"
    edit_config(light_world, {"publish.profile": "public", "portfolio.rights": "rights.csv"})
    run_world(light_world, out)
    found = verify(out, TODAY)
    assert found.failed == []
    values = pd.read_parquet(next((tmp_path / "out-full").glob("valuations/*/*.parquet")))
    single = int(values.loc[values["plantation_id"] == "SIM-002", "nav_total_int"].iloc[0])
    rest = int(values["nav_total_int"].sum()) - single
    for path in (p for p in out.rglob("*") if p.is_file()):
        text = path.read_text("utf-8") if path.suffix != ".parquet" else pd.read_parquet(path).to_csv()
        assert str(single) not in text, path
        assert str(rest) not in text, path
    (nav,) = out.rglob("disclosure.json")
    assert {p.get("withheld") for p in json.loads(nav.read_text("utf-8"))["pools"]} == {"too_few"}
    assert verify(tmp_path / "out-full", TODAY).failed == []
