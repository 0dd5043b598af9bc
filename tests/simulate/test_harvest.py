"""Harvest files: contract columns, known lags, revisions, and mistakes that are listed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.periods import Month
from plantation_rwa.simulate import harvest


@pytest.fixture(scope="module")
def table(made):
    return pd.read_csv(made.directory / "harvest/harvest.csv", keep_default_na=False)


@pytest.fixture(scope="module")
def mistakes(made):
    return pd.read_csv(made.directory / "truth/harvest_mistakes.csv", keep_default_na=False)


def test_columns_and_order(table):
    assert list(table.columns) == list(harvest.COLUMNS)
    assert table["known_at"].is_monotonic_increasing
    assert set(table["source"]) <= {"estate", "mill", "trader"}


def test_known_four_to_eleven_days_after_the_month_but_for_revisions(table):
    ends = pd.to_datetime(table["month"] + "-01") + pd.offsets.MonthEnd(0)
    days = (pd.to_datetime(table["known_at"]).dt.tz_localize(None) - ends).dt.days
    assert set(days[days < 45]) <= set(range(4, 12))
    late = days >= 45
    assert 0.005 < late.mean() < 0.04
    assert days[late].between(49, 56).all()


def test_last_word_on_every_month_is_the_truth(made, table, mistakes):
    wrong = set(mistakes[["plantation_id", "block_id", "month"]].itertuples(index=False, name=None))
    last = table.sort_values("known_at", kind="stable").drop_duplicates(
        ["plantation_id", "block_id", "month"], keep="last"
    )
    keys = last[["plantation_id", "block_id", "month"]].itertuples(index=False, name=None)
    last = last[[k not in wrong for k in keys]]
    truth = made.monthly.set_index(["plantation_id", "month"])["ffb_t"]
    whole = last[last["block_id"] == ""]
    expected = truth.loc[list(whole[["plantation_id", "month"]].itertuples(index=False, name=None))]
    np.testing.assert_allclose(whole["ffb_t"], expected, atol=6e-4)
    blocks = made.blocks.assign(ffb_t=made.blocks["yield_t_ha"] * made.blocks["area_mature_ha"])
    parts = last[last["block_id"] != ""].merge(blocks, on=["plantation_id", "block_id", "month"])
    assert len(parts) > 100
    np.testing.assert_allclose(parts["ffb_t_x"], parts["ffb_t_y"], atol=6e-4)


def test_mistakes_are_in_the_file_and_listed(table, mistakes):
    assert sorted(mistakes["mistake"]) == ["entered twice", "kg in place of t", "kg in place of t"]
    twice = table[table.duplicated(list(harvest.COLUMNS), keep=False)]
    assert len(twice) == 2
    per_ha = table["ffb_t"] / table["area_mature_ha"]
    assert (per_ha > 100).sum() >= 2


def test_some_months_are_missing_and_some_plantations_have_nothing(made, table):
    silent = {e.plantation_id for e in made.estates if e.harvest_years == 0}
    assert silent
    assert not silent & set(table["plantation_id"])
    counts = table.drop_duplicates(["plantation_id", "block_id", "month"]).groupby(["plantation_id", "block_id"]).size()
    assert (counts < 120).any()


def test_bunches_follow_the_weight_curve(made):
    estate, last = made.estates[2], Month.parse("2026-05")
    blocks = made.blocks[made.blocks["plantation_id"] == estate.plantation_id]
    rows, _ = harvest.records(77, estate, blocks, last)
    assert (1000 * rows["ffb_t"] / rows["bunches"]).between(3, 25.1).all()


def test_bunch_weight_known_answers():
    ages = pd.Series([0.0, 1.0, 100.0])
    assert harvest.bunch_weight_kg(ages).tolist() == pytest.approx([3.0, 4.2, 25.0])


def test_without_faults_no_row_is_wrong(made):
    parts = [
        harvest.records(77, e, made.blocks[made.blocks["plantation_id"] == e.plantation_id], Month(2026, 5))
        for e in made.estates
    ]
    clean, mistakes = harvest.logbook(parts, faults=False)
    assert mistakes.empty
    assert not clean.duplicated().any()
    assert (clean["ffb_t"] / clean["area_mature_ha"]).max() < 8


def test_empty_logbook_keeps_its_columns():
    table, mistakes = harvest.logbook([], faults=True)
    assert list(table.columns) == list(harvest.COLUMNS)
    assert mistakes.empty
