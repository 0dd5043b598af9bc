"""Own record of disturbance: the four simulated land histories, and what the record must be able to tell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.periods import Month, month_range
from plantation_rwa.screening.disturbance import NOTHING, Record, Unit, disturbance, disturbance_finding, records_by
from plantation_rwa.screening.eudr import STATE_OF, LayerShare, land_finding
from plantation_rwa.simulate import geography, histories
from plantation_rwa.simulate.world import Effects

RULES = packaged()
LAST = Month(2026, 5)
#: none of them was looked at while the rule was written
SEEDS = (7001, 7103, 7211, 7307, 7411, 7507, 7603, 7703, 7817, 7907)


def record(nbr: dict[str, float], clear: float = 2.0, ndmi: float = 0.43) -> pd.DataFrame:
    rows = [{"month": m, "nbr": v, "ndmi": ndmi, "n_clear": clear} for m, v in nbr.items()]
    return pd.DataFrame(rows, columns=["month", "nbr", "ndmi", "n_clear"])


def course(level: float, low: float, first: str, last: str, until: Month = LAST) -> dict[str, float]:
    """NBR by month since 2020, low from one month to another."""
    return {str(m): low if first <= str(m) <= last else level for m in month_range(Month(2020, 1), until)}


def read(series: pd.DataFrame) -> Record:
    return records_by(series.assign(place="here"), "place").get("here", NOTHING)


def unit(series: pd.DataFrame, planted: int | None = 2021, area: float = 40.0) -> Unit:
    return Unit("plantation", area, planted, read(series))


def seen(series: pd.DataFrame, **changes: object) -> str:
    return disturbance(unit(series, **changes), LAST, RULES).outcome  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=SEEDS)
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labels and monthly record of the four histories."""
    folder = tmp_path_factory.mktemp("land")
    estates = histories.assign(
        request.param, geography.invent(request.param, 4, 4, 2026, (80.0, 200.0)), list(histories.HISTORIES)
    )
    histories.write(folder, request.param, estates, LAST, Effects())
    return pd.read_csv(folder / "truth/land.csv", dtype=str), pd.read_parquet(folder / "truth/land_monthly.parquet")


def maps(history: str, after: bool = False) -> list[LayerShare]:
    """What maps of the end of 2020 show: canopy maps take old palms for trees, palm maps do not."""
    says = {
        "treecover_2020": history in {"deforested", "replanted", "forest kept"},
        "commodity_2020": history in {"replanted", "cleared early"},
        "disturbance_before_2020": history == "cleared early",
    }
    if after:
        says["disturbance_after_2020"] = history in {"deforested", "replanted"}
    return [LayerShare(kind, kind, 0.95 if yes else 0.0, 1.0) for kind, yes in says.items()]


@pytest.mark.parametrize("source", ["own record", "maps"])
def test_the_four_histories_get_their_class(world: tuple[pd.DataFrame, pd.DataFrame], source: str) -> None:
    """Disturbance after 2020 from the own record alone, or from maps alone."""
    labels, monthly = world
    found = {}
    for label in labels.to_dict("records"):
        planted = int(label["planted"][:4]) if isinstance(label["planted"], str) else 2026
        series = monthly[monthly["plantation_id"] == label["plantation_id"]]
        finding, vote = disturbance_finding(label["plantation_id"], [unit(series, planted)], LAST, RULES)
        assert vote is (label["history"] == "deforested"), finding
        if label["history"] in {"deforested", "replanted"}:
            assert abs(Month.parse(finding.event_month) - Month.parse(label["cleared"])) <= 3
        own = source == "own record"
        land = land_finding(
            label["plantation_id"], maps(label["history"], not own), None, vote if own else None,
            point=False, assumptions=RULES,
        )  # fmt: skip
        found[label["history"]] = land.state
    assert found == {h: STATE_OF[course.screening] for h, course in histories.HISTORIES.items()}


def test_without_2020_nothing_is_said() -> None:
    late = record({str(m): 0.7 for m in month_range(Month(2021, 1), LAST)})
    finding, vote = disturbance_finding("P", [unit(late)], LAST, RULES)
    assert (finding.state, vote) == ("not_checked", None)
    assert "no baseline: 0 clear observations in 2020, 4 are needed" in finding.finding
    assert disturbance_finding("P", [], LAST, RULES)[0].state == "not_checked"


def test_four_clear_observations_make_a_baseline_and_three_do_not() -> None:
    for months, outcome in ((4, "none"), (3, "unknown")):
        early = {f"2020-{m:02d}": 0.7 for m in range(1, months + 1)}
        later = {str(m): 0.7 for m in month_range(Month(2021, 1), LAST)}
        assert seen(record(early | later, clear=1.0)) == outcome


def test_a_fall_must_last_and_be_seen_three_times() -> None:
    assert seen(record(course(0.72, 0.10, "2022-03", "2022-06"))) == "clearing"
    assert seen(record(course(0.72, 0.10, "2022-03", "2022-03"))) == "none"
    assert seen(record(course(0.72, 0.10, "2022-03", "2022-04"), clear=1.0)) == "none"
    assert seen(record(course(0.72, 0.10, "2022-03", "2022-05"), clear=1.0)) == "clearing"
    assert seen(record(course(0.72, 0.48, "2022-03", "2022-09"))) == "none"


def test_months_without_an_observation_do_not_end_a_fall() -> None:
    series = course(0.72, 0.10, "2022-03", "2022-07")
    del series["2022-05"]
    assert seen(record(series)) == "clearing"


def test_a_fall_that_begins_by_the_cut_off_is_none_after_it() -> None:
    before = disturbance(unit(record(course(0.72, 0.10, "2020-12", "2021-04"))), LAST, RULES)
    after = disturbance(unit(record(course(0.72, 0.10, "2021-01", "2021-04"))), LAST, RULES)
    assert (before.outcome, before.month) == ("none", "2020-12")
    assert (after.outcome, after.month) == ("clearing", "2021-01")


def test_a_replanting_by_register_or_by_the_look_of_palm_is_never_sure() -> None:
    series = course(0.70, 0.05, "2022-03", "2022-06")
    by_register = disturbance(unit(record(series, clear=6.0), planted=2004), LAST, RULES)
    by_look = disturbance(unit(record(series, clear=6.0, ndmi=0.36)), LAST, RULES)
    assert [(d.outcome, d.confidence) for d in (by_register, by_look)] == [("replanting", "low")] * 2
    assert disturbance(unit(record(series, clear=6.0)), LAST, RULES).confidence == "high"
    assert disturbance(unit(record(series, clear=6.0), planted=2018), LAST, RULES).outcome == "clearing"


@pytest.mark.parametrize(("clear", "confidence"), [(0.4, "low"), (0.75, "medium"), (1.2, "high")])
def test_confidence_follows_the_clear_observations(clear: float, confidence: str) -> None:
    whole = record(course(0.7, 0.7, "2022-01", "2022-01"), clear=clear)
    assert disturbance(unit(whole), LAST, RULES).confidence == confidence


def test_a_gap_in_which_a_clearing_could_hide_is_no_pass() -> None:
    series = course(0.7, 0.7, "2022-01", "2022-01")
    for year in (2023, 2024):
        for month in range(1, 13):
            del series[f"{year}-{month:02d}"]
    finding, vote = disturbance_finding("P", [unit(record(series))], LAST, RULES)
    assert (finding.state, vote) == ("not_checked", None)
    ended = record({str(m): 0.7 for m in month_range(Month(2020, 1), LAST + -13)})
    assert seen(ended) == "unknown"


def test_a_block_shows_what_the_whole_hides() -> None:
    whole = Unit("plantation", 400.0, 2021, read(record(course(0.70, 0.70, "2022-01", "2022-01"))))
    lost = Unit("block B2", 20.0, 2021, read(record(course(0.70, 0.05, "2022-03", "2022-08"))))
    finding, vote = disturbance_finding("P", [whole, lost], LAST, RULES)
    assert (finding.state, vote, finding.measure) == ("more_info", True, 20.0)
    assert finding.event_month == "2022-03"
    tiny = Unit("block B3", 0.4, 2021, lost.record)
    assert disturbance_finding("P", [whole, tiny], LAST, RULES)[1] is False


def test_noise_of_a_standing_forest_makes_no_event() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        series = {str(m): 0.72 + rng.normal(0, 0.05) for m in month_range(Month(2020, 1), LAST)}
        assert seen(record(series)) == "none"


def test_the_record_alone_never_fails_a_plot() -> None:
    finding, _ = disturbance_finding("P", [unit(record(course(0.72, 0.1, "2022-03", "2022-09")))], LAST, RULES)
    assert finding.state == "more_info"
    assert "ground truth" in finding.not_checked
