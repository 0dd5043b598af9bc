"""Whether a scene's claimed offset and its air are believed: the rules on figures alone."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.features.scene_checks import Figures, Rules, SceneRecord, Verdict, judge
from plantation_rwa.simulate.pixels import BANDS, CLASSES
from tests.features.scene_factory import RULES

#: mature palm, and the same pixels with +0.1 and -0.1 in every band
RIGHT = Figures(0.0, 0.028, 0.022, 0.8436)
BRIGHT = Figures(0.0, 0.128, 0.122, 0.5412)
DARK = Figures(1.0, -0.072, -0.078, 1.0)


def record(
    day: str, claimed: Figures = RIGHT, other: Figures = DARK, *, offset: float = 0.0, **changes: Any
) -> SceneRecord:
    return SceneRecord(
        scene_id=changes.pop("scene_id", day),
        datatake=changes.pop("datatake", day),
        acquired=pd.Timestamp(day, tz="UTC"),
        offset=offset,
        pixels=changes.pop("pixels", 500.0),
        claimed=claimed,
        other=other,
        **changes,
    )


def past(months: int = 6, figures: Figures = RIGHT, last: str = "2026-02-15") -> list[SceneRecord]:
    """One scene a month up to ``last``."""
    days = [pd.Timestamp(last) - pd.DateOffset(months=n) for n in range(months)]
    return [record(d.strftime("%Y-%m-%d"), figures) for d in days]


def only(month: list[SceneRecord], history: list[SceneRecord], rules: Rules = RULES) -> Verdict:
    (verdict,) = judge(month, history, rules)
    return verdict


def test_an_offset_removed_before_is_not_removed_again() -> None:
    """The pencil case of the specification: B04 = -.072; no history is needed."""
    verdict = only([record("2026-03-02", DARK, RIGHT, offset=-1000.0)], [])
    assert (verdict.offset, verdict.offset_check, verdict.inferred, verdict.used) == (
        0.0,
        "already_removed",
        True,
        True,
    )


@pytest.mark.parametrize(
    ("figures", "check"),
    [
        (Figures(0.20, 0.005, 0.02, 0.9), "plausible"),
        (Figures(0.21, 0.005, 0.02, 0.9), "already_removed"),
        (Figures(0.20, 0.0049, 0.02, 0.9), "already_removed"),
    ],
)
def test_limits_of_the_removed_offset(figures: Figures, check: str) -> None:
    assert only([record("2026-03-02", figures, offset=-1000.0)], []).offset_check == check


def veiled(share: float, lift: float = 0.0) -> Figures:
    """Mature palm under haze of 0.35 in the visible and 0.33 in the infrared (7.2), every band lifted."""
    red, blue, infrared = ((1 - share) * r + share * h + lift for r, h in ((0.028, 0.35), (0.022, 0.35), (0.33, 0.33)))
    return Figures(0.0, red, blue, (infrared - red) / (infrared + red))


@pytest.mark.parametrize("share", [0.24, 0.3, 0.35])
def test_haze_is_not_taken_for_an_offset_left_in(share: float) -> None:
    """Bright red and low NDVI both; B08 tells: 0.33 under haze, 0.43 with the offset."""
    figures = veiled(share)
    assert figures.infrared == pytest.approx(0.33)
    assert figures.red > RULES.missing_red_median
    assert figures.ndvi < RULES.missing_ndvi
    verdict = only([record("2026-03-02", figures, veiled(share, -0.1))], past())
    assert (verdict.offset, verdict.offset_check, verdict.air) == (0.0, "plausible", "haze")


def test_haze_over_an_offset_left_in_is_both() -> None:
    verdict = only([record("2026-03-02", veiled(0.3, 0.1), veiled(0.3))], past())
    assert (verdict.offset, verdict.offset_check, verdict.air) == (-1000.0, "missing", "haze")


def test_dark_pixels_under_a_claim_of_nothing_to_remove_are_believed() -> None:
    assert only([record("2026-03-02", DARK, offset=0.0)], []).offset_check == "plausible"


def test_a_missing_offset_is_applied_where_the_past_was_green() -> None:
    """The pencil case: NDVI .5412 with the offset left in, .8436 without."""
    verdict = only([record("2026-03-02", BRIGHT, RIGHT)], past())
    assert (verdict.offset, verdict.offset_check, verdict.air) == (-1000.0, "missing", "clear")


@pytest.mark.parametrize(
    ("figures", "history", "check"),
    [
        (BRIGHT, past(3), "missing"),
        (BRIGHT, past(2), "no_history"),
        (BRIGHT, past(6, last="2025-03-01"), "no_history"),
        (BRIGHT, past(6, Figures(0.0, 0.05, 0.03, 0.75)), "plausible"),
        (BRIGHT, past(6, Figures(0.0, 0.05, 0.03, 0.7501)), "missing"),
        (replace(BRIGHT, red=0.10), past(), "plausible"),
        (replace(BRIGHT, ndvi=0.60), past(), "plausible"),
    ],
    ids=["three before", "two before", "older than a year", "not green", "green", "red not bright", "ndvi not low"],
)
def test_limits_of_the_missing_offset(figures: Figures, history: list[SceneRecord], check: str) -> None:
    assert only([record("2026-03-02", figures, RIGHT)], history).offset_check == check


def test_a_lie_that_lasts_is_corrected_month_after_month() -> None:
    """The history that judges is the corrected one: eighteen months of lies do not become the truth."""
    truth = past(6, last="2024-08-15")
    lies = [replace(r, claimed=BRIGHT, other=RIGHT) for r in past(18)]
    assert only([record("2026-03-02", BRIGHT, RIGHT)], [*truth, *lies]).offset_check == "missing"


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"pixels": 11.9}, "few_pixels"),
        ({"pixels": 12.0}, "already_removed"),
        ({"classified": False}, "no_classification"),
    ],
)
def test_what_cannot_be_judged_is_believed_and_says_so(changes: dict[str, Any], check: str) -> None:
    verdict = only([record("2026-03-02", DARK, RIGHT, offset=-1000.0, **changes)], past())
    assert verdict.offset_check == check
    assert verdict.inferred == (check == "already_removed")


def test_an_offset_of_no_known_kind_is_left_alone() -> None:
    assert only([record("2026-03-02", DARK, offset=-500.0)], past()) == Verdict(-500.0, "unknown_offset", "clear")


@pytest.mark.parametrize(("blue", "air"), [(0.062, "clear"), (0.0621, "haze")])
def test_haze_by_the_plantations_own_blue(blue: float, air: str) -> None:
    verdict = only([record("2026-03-02", replace(RIGHT, blue=blue))], past())
    assert (verdict.air, verdict.used) == (air, air == "clear")


def test_haze_needs_a_past_of_two_years_and_looks_at_the_past_only() -> None:
    hazy = record("2026-03-02", replace(RIGHT, blue=0.1))
    assert only([hazy], past(2)).air == "not_tested"
    assert only([hazy], past(6, last="2024-03-01")).air == "not_tested"
    assert only([hazy], past(6, last="2024-09-01")).air == "haze"
    later = past(6, last="2026-09-01")
    assert only([hazy], later).air == "not_tested"


def ground(name: str, veil: float = 0.0, offset: float = 0.0) -> Figures:
    """Class of the specification (7.2) under a veil, as seen with an offset left in the pixels (0.1) or taken twice."""
    bands = dict(zip(BANDS, CLASSES[name], strict=True))
    haze = {"B02": 0.35, "B04": 0.35, "B08": 0.33, "B12": 0.10}
    blue, red, infrared, swir = ((1 - veil) * bands[b] + veil * h + offset for b, h in haze.items())
    return Figures(0.0 if red > 0.002 else 1.0, red, blue, (infrared - red) / (infrared + red), swir)


@pytest.mark.parametrize("name", ["bare", "bare_peat", "palm_0_2", "palm_3_5"])
def test_cleared_and_replanted_land_is_no_haze_from_the_first_scene_on(name: str) -> None:
    """Scenes that the classification still calls vegetation: B04 rises twice as much as B02, which no haze does."""
    history = past(12, ground("palm_8_18"))
    month = [record(f"2026-03-{day:02}", ground(name)) for day in (2, 7, 12)]
    assert [v.air for v in judge(month, history, RULES)] == ["clear"] * 3
    assert [v.air for v in judge(month[:1], history, RULES)] == ["clear"]  # nothing follows
    later = [record("2026-04-02", ground(name))]
    assert only(later, [*history, *month]).air == "clear"


@pytest.mark.parametrize("name", ["palm_8_18", "palm_0_2", "bare"])
@pytest.mark.parametrize(("veil", "air"), [(0.0, "clear"), (0.2, "haze"), (0.35, "haze")])
def test_haze_is_haze_over_cleared_land_too(name: str, veil: float, air: str) -> None:
    assert only([record("2026-03-02", ground(name, veil))], past(12, ground("palm_8_18"))).air == air


@pytest.mark.parametrize("hazy", [7, 12, 18])
def test_a_past_that_is_mostly_haze_is_not_the_clean_level(hazy: int) -> None:
    """Up to three quarters of two years in smoke: haze is still seen, and what is clean is not called anything else."""
    clean, smoke = ground("palm_8_18"), ground("palm_8_18", 0.25)
    history = past(24, clean)
    history = [replace(r, claimed=smoke) if n % 24 < hazy else r for n, r in enumerate(history)]
    assert only([record("2026-03-02", smoke)], history).air == "haze"
    assert only([record("2026-03-02", clean)], history).air == "clear"


def test_a_veil_too_thin_to_be_haze_explains_a_fall_of_ndvi() -> None:
    """Haze of 0.11 lifts B02 by .036 and takes .16 off NDVI: no later scene is needed to tell it from cleared land."""
    history = past(12, ground("palm_8_18"))
    thin = record("2026-03-28", ground("palm_8_18", 0.11))
    assert only([thin], history).air == "ndvi_drop"
    assert only([replace(thin, claimed=replace(ground("palm_8_18"), ndvi=0.66))], history).air == "clear"
    # nor does a look through a veil lower the level that the next month falls from
    following = record("2026-04-05", ground("palm_8_18", 0.11))
    assert only([following], [*history, thin]).air == "ndvi_drop"


def test_a_lasting_change_of_the_air_is_believed_when_the_clean_past_has_left_the_window() -> None:
    """Observations left out stay in the history."""
    new = replace(RIGHT, blue=0.09)
    old, rest = past(6, last="2024-08-15"), past(18, new)
    assert only([record("2026-03-02", new)], [*old, *rest]).air == "haze"
    assert only([record("2026-03-02", new)], [*old[:2], *rest]).air == "clear"


@pytest.mark.parametrize("name", ["palm_8_18", "palm_22", "forest", "palm_3_5"])
def test_an_offset_forgotten_from_the_first_scene_on_shows_in_the_scene_itself(name: str) -> None:
    """Every band of green vegetation is left possible by -1000."""
    verdict = only([record("2026-03-02", ground(name, offset=0.1), ground(name))], [])
    assert (verdict.offset, verdict.offset_check) == (-1000.0, "missing")


@pytest.mark.parametrize(
    ("seen", "bright"),
    [
        (ground("palm_8_18", 0.25), True),
        (ground("palm_8_18", 0.3), True),
        (ground("palm_3_5", 0.3), True),
        (ground("palm_0_2", 0.35), True),
        (ground("bare"), True),
        (Figures(0.0, 0.12, 0.0675, 0.54, 0.25), True),
        (ground("palm_0_2"), False),
    ],
    ids=["haze", "thick haze", "haze over young", "haze over new", "bare", "dry grass", "new"],
)
def test_bright_ground_and_haze_are_no_forgotten_offset(seen: Figures, bright: bool) -> None:
    """One tenth less would leave B12 under haze, or B02 of dry and bare ground, with less than nothing."""
    red, blue, swir = seen.red - 0.1, seen.blue - 0.1, seen.swir - 0.1
    infrared = seen.infrared - 0.1
    other = Figures(1.0 if red < 0.002 else 0.0, red, blue, (infrared - red) / (infrared + red), swir)
    check = only([record("2026-03-02", seen, other)], []).offset_check
    assert check == ("no_history" if bright and seen.ndvi < 0.6 else "plausible")


def test_a_datatake_counts_once_in_the_history() -> None:
    """One hazy acquisition listed as twenty items does not become the plantation's own."""
    hazy = replace(RIGHT, blue=0.1)
    twenty = [record("2026-02-20", hazy, datatake="D", scene_id=f"s{n}") for n in range(20)]
    assert only([record("2026-03-02", hazy)], [*past(3), *twenty]).air == "haze"


def test_scenes_of_one_datatake_share_the_air() -> None:
    month = [
        record("2026-03-02", replace(RIGHT, blue=0.2), datatake="D", scene_id="a", pixels=400.0),
        record("2026-03-02", RIGHT, datatake="D", scene_id="b", pixels=100.0),
    ]
    assert [v.air for v in judge(month, past(), RULES)] == ["haze", "haze"]


def drop(*ndvi: float) -> list[str]:
    month = [record(f"2026-03-{3 + 5 * n:02}", replace(RIGHT, ndvi=v)) for n, v in enumerate(ndvi)]
    return [v.air for v in judge(month, past(6, replace(RIGHT, ndvi=0.84)), RULES)]


def test_a_fall_that_the_next_observation_takes_back() -> None:
    assert drop(0.83, 0.66, 0.82) == ["clear", "ndvi_drop", "clear"]
    assert drop(0.68, 0.82) == ["ndvi_drop", "clear"]  # seen against the month before
    assert drop(0.83, 0.70, 0.82) == ["clear"] * 3  # a fall of .13
    assert drop(0.83, 0.60, 0.70) == ["clear"] * 3  # less than half comes back
    assert drop(0.83, 0.60) == ["clear"] * 2  # what comes next is not known in this month


@given(st.permutations(range(9)), st.integers(0, 2**16))
def test_order_of_records_changes_nothing(order: list[int], seed: int) -> None:
    draw = random.Random(seed)
    figures = [Figures(draw.random(), draw.uniform(-0.1, 0.2), draw.uniform(0, 0.2), draw.random()) for _ in range(18)]
    records = [record(f"2026-0{1 + n // 3}-{1 + n % 3:02}", figures[n], figures[9 + n]) for n in range(9)]
    straight = dict(zip((r.scene_id for r in records[6:]), judge(records[6:], records[:6], RULES), strict=True))
    mixed = [records[n] for n in order]
    month, history = [r for r in mixed if r in records[6:]], [r for r in mixed if r in records[:6]]
    assert dict(zip((r.scene_id for r in month), judge(month, history, RULES), strict=True)) == straight


@pytest.mark.parametrize(
    ("figures", "bands"),
    [
        (Figures(0.0, 0.330, 0.022, -0.8436), "negative_ndvi"),  # palm with B04 and B08 exchanged
        (Figures(0.0, 0.130, 0.070, -0.001), "negative_ndvi"),
        (Figures(0.0, 0.130, 0.070, 0.257), "plausible"),  # bare mineral ground, 7.2
        (Figures(1.0, 0.028e-4, 0.022e-4, 0.8436), "infrared_out_of_range"),  # reflectance read as digital numbers
        (Figures(0.0, 0.0071, 0.006, 0.8436), "plausible"),  # B08 = .0071 x 1.8436 / .1564 = .0837
        (Figures(0.0, 0.0067, 0.006, 0.8436), "infrared_out_of_range"),  # .0790
        (Figures(0.0, 0.20, 0.10, 0.599), "plausible"),  # .20 x 1.599 / .401 = .7975
        (Figures(0.0, 0.21, 0.10, 0.599), "infrared_out_of_range"),  # .8374
    ],
)
def test_what_no_vegetation_shows_is_left_out(figures: Figures, bands: str) -> None:
    verdict = only([record("2026-03-02", figures)], [])
    assert (verdict.bands, verdict.used) == (bands, bands == "plausible")


def test_impossible_bands_are_judged_after_the_offset_and_by_enough_classified_pixels() -> None:
    dark = Figures(1.0, -0.1 + 3e-6, -0.1, math.nan)
    assert only([record("2026-03-02", dark, offset=-1000.0)], []).bands == "plausible"  # nothing to judge by
    scaled = Figures(1.0, -0.1 + 3e-6, -0.1, 0.99)
    verdict = only([record("2026-03-02", scaled, Figures(1.0, 3e-6, 2e-6, 0.8436), offset=-1000.0)], [])
    assert (verdict.offset_check, verdict.bands) == ("already_removed", "infrared_out_of_range")
    swapped = Figures(0.0, 0.330, 0.022, -0.8436)
    assert only([record("2026-03-02", swapped, pixels=11.9)], []).bands == "plausible"
    assert only([record("2026-03-02", swapped, classified=False)], []).bands == "plausible"


def test_impossible_bands_are_no_past() -> None:
    """Green, then exchanged bands sixteen times: as a past, bright in B02, they would hide the haze that follows."""
    swapped = [record(f"2026-02-{d:02d}", Figures(0.0, 0.330, 0.330, -0.8436)) for d in range(1, 17)]
    hazy = record("2026-03-02", veiled(0.3), veiled(0.3, -0.1))
    assert only([hazy], [*past(3, last="2026-01-15"), *swapped]).air == "haze"
