"""The world against the figures it was specified by (domain/yield.md 7.1); tolerances are sampling errors."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.periods import Month, month_range
from plantation_rwa.simulate import geography, weather, world

SEEDS = range(24)


@pytest.fixture(scope="module")
def noise():
    """Monthly noise of two blocks of an estate, 300 months after a burn-in, per seed."""
    outline = geography.invented_outline(np.random.default_rng(2), (103.0, 2.0), 100.0)
    months = [str(m) for m in month_range(Month(1995, 1), Month(1995, 1) + 359)]
    rain = pd.DataFrame({"p_sum_mm": np.full(360, 220.0), "rain_days": 16}, index=months)
    series = []
    for seed in SEEDS:
        estate = geography.with_blocks(
            geography.Estate(f"N{seed}", outline, "peninsular", dt.date(1983, 1, 1), n_blocks=2), seed
        )
        _, blocks = world.grow(seed, estate, rain, world.Effects())
        series.append(blocks.pivot(index="month", columns="block_id", values="epsilon").to_numpy()[60:])
    return series


def test_noise_has_the_sd_of_the_recipe(noise):
    assert np.mean([x.std(axis=0).mean() for x in noise]) == pytest.approx(0.356, abs=0.015)


@pytest.mark.parametrize(("lag", "expected"), [(1, 0.40), (2, 0.18), (3, 0.09), (12, -0.11), (24, -0.16)])
def test_noise_has_the_memory_of_the_recipe(noise, lag, expected):
    found = [np.corrcoef(x[lag:, i], x[:-lag, i])[0, 1] for x in noise for i in (0, 1)]
    assert np.mean(found) == pytest.approx(expected, abs=0.05)


def test_blocks_of_an_estate_share_part_of_it(noise):
    assert np.mean([np.corrcoef(x.T)[0, 1] for x in noise]) == pytest.approx(0.42, abs=0.05)


def test_estates_share_none(noise):
    means = np.array([x.mean(axis=1) for x in noise])
    assert np.abs(np.corrcoef(means)[np.triu_indices(len(means), 1)].mean()) < 0.03


def test_years_vary_as_real_lots_do(noise):
    annual = [(1 + x).reshape(25, 12, 2).mean(axis=1) for x in noise]
    assert np.mean([(a.std(axis=0) / a.mean(axis=0)).mean() for a in annual]) == pytest.approx(0.148, abs=0.02)


def test_enso_has_its_sd_period_and_event():
    span = (Month(1900, 1), Month(2025, 12))
    index = [weather.enso(s, *span).to_numpy() for s in range(8)]
    assert np.mean([x.std() for x in index]) == pytest.approx(0.85, abs=0.12)
    assert all(x.max() >= 2.25 for x in index)
    spectrum = np.mean([np.abs(np.fft.rfft(x - x.mean())) ** 2 for x in index], axis=0)
    smooth = np.convolve(spectrum, np.ones(9) / 9, mode="same")
    period = index[0].size / (6 + int(np.argmax(smooth[6:])))
    assert 30 < period < 60  # 41.5 months


def test_enso_is_locked_to_winter():
    """AR(2) x (1 + .25 cos): the spread of December is 1.25 / 0.75 of that of June."""
    span = (Month(1900, 1), Month(2025, 12))
    index = np.concatenate([weather.enso(s, *span).to_numpy().reshape(-1, 12) for s in range(8)])
    assert index[:, 11].std() / index[:, 5].std() == pytest.approx(1.25 / 0.75, rel=0.1)


def test_el_nino_takes_35_per_cent_of_the_light_for_two_months():
    days = (dt.date(2000, 1, 1), dt.date(2009, 12, 31))
    months = [str(Month(2000, 1) + i) for i in range(120)]
    calm, warm = (
        weather.region_weather(7, "central_kalimantan", pd.Series(v, index=months), *days)[1]["ssrd"]
        for v in (0.0, 1.5)
    )
    month = pd.date_range(*days).month
    share = pd.Series(warm).groupby(month).mean() / pd.Series(calm).groupby(month).mean()
    assert share[[9, 10]].to_numpy() == pytest.approx([0.65, 0.65], abs=0.05)
    # June to August, November and December are drier under it and so a little brighter; before June nothing differs
    assert share[[2, 3, 4, 5]].to_numpy() == pytest.approx(np.ones(4), abs=0.005)


def test_wet_days_persist_as_specified():
    """P(w|w) - P(w|d) = 0.62 - 0.32, whatever the month's number of rain days."""
    months = [str(Month(1996, 1) + i) for i in range(360)]
    found = []
    for seed in range(4):
        _, values = weather.region_weather(
            seed, "peninsular", pd.Series(0.0, index=months), dt.date(1996, 1, 1), dt.date(2025, 12, 31)
        )
        wet = values["precipitation"] >= 1.0
        found.append(wet[1:][wet[:-1]].mean() - wet[1:][~wet[:-1]].mean())
    assert np.mean(found) == pytest.approx(0.30, abs=0.05)


def test_levels_of_plantations_and_blocks_spread_as_stated():
    effects = world.Effects()
    outline = geography.invented_outline(np.random.default_rng(2), (103.0, 2.0), 100.0)
    rain = pd.DataFrame({"p_sum_mm": [200.0], "rain_days": [15]}, index=["2020-01"])
    rows = []
    for number in range(200):
        estate = geography.Estate(f"L{number}", outline, "sabah", dt.date(2010, 1, 1), n_blocks=2)
        rows.append(world.grow(1, geography.with_blocks(estate, 1), rain, effects)[1])
    table = pd.concat(rows)
    assert table["alpha_plantation"].std() == pytest.approx(effects.sd_plantation, rel=0.12)
    assert table["alpha_block"].std() == pytest.approx(effects.sd_block, rel=0.12)
