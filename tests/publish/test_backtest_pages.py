"""Figures and model card of a backtest, from small score tables."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.publish.backtest.card import CardData, model_card
from plantation_rwa.publish.backtest.figures import pit_figure, reliability_figure, skill_figure
from plantation_rwa.publish.backtest.tables import gain_rows, plantation_rows, reading, region_rows, score_rows

COLUMNS = ["protocol", "horizon", "region", "metric", "model", "value", "lo", "hi", "n"]


def scores(*rows: tuple[str, str, str, float, float, float], region: str = "all") -> pd.DataFrame:
    """Rows of (horizon, metric, model, value, lo, hi)."""
    made = [("walk_forward", h, region, metric, model, v, lo, hi, 40) for h, metric, model, v, lo, hi in rows]
    return pd.DataFrame(made, columns=COLUMNS)


def pooled() -> pd.DataFrame:
    below = [("1-3", f"below_q{p:02d}", "model", p / 100, p / 100 - 0.02, p / 100 + 0.02) for p in (5, 10, 25, 50, 75)]
    bins = [("1-12", f"pit_bin{k:02d}", "model", 0.1, 0.05, 0.15) for k in range(1, 11)]
    gains = [
        ("1-12", "mse_gain", "no_imagery", 0.02, 0.005, 0.04),
        ("1-12", "rmse", "no_imagery", 0.4, 0.3, 0.5),
        ("1-12", "mse_gain", "climatology", 0.08, 0.01, 0.2),
        ("1-12", "crps_gain", "climatology", 0.03, -0.01, 0.05),
        ("1-12", "rmse", "climatology", 0.5, 0.3, 0.5),
    ]
    return scores(*below, *bins, *gains)


def metrics() -> pd.DataFrame:
    lines = [
        (str(h), "skill", m, v, v - 0.1, v + 0.1) for h in range(1, 13) for m, v in (("model", 0.4), ("prior", -3))
    ]
    lines += [("1", "rmse", "model", 0.3, 0.2, 0.4), ("annual", "skill", "model", 0.5, np.nan, np.nan)]
    return scores(*lines)


def test_figures_are_whole_documents_with_what_they_show() -> None:
    title = 'Skill <of> "A & B"'
    for text in (
        skill_figure(metrics(), title, "note"),
        reliability_figure(pooled(), title, "note"),
        pit_figure(pooled(), title, "note"),
    ):
        root = ET.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        said = "".join(root.itertext())
        assert title in said
        assert "note" in said
        assert not re.search(r"nan|inf|href|<script", text)


def test_the_skill_figure_draws_one_bar_per_interval_and_keeps_far_values_on_the_edge() -> None:
    text = skill_figure(metrics(), "t", "")
    assert text.count('stroke-width="9"') == 12  # the year has no interval
    assert "agronomic prior" in text
    assert "climatology</text>" not in text.replace("MSE of climatology</text>", "")
    assert "−1.0" in text


def test_a_calibrated_forecast_lies_on_the_diagonal() -> None:
    """Path and diagonal share their slope: 578 by 280 drawing units for 1 by 1."""
    path = re.search(r'd="M([\d. L]+)" fill="none" stroke="#1b7a4b"', reliability_figure(pooled(), "t", ""))
    assert path is not None
    points = np.array([[float(v) for v in p.split()] for p in path[1].split("L")])
    step = np.diff(points, axis=0)
    assert (-step[:, 1] / step[:, 0]).tolist() == pytest.approx([280 / 578] * 4, abs=0.002)


def test_figures_of_nothing_are_empty_frames() -> None:
    nothing = pd.DataFrame(columns=COLUMNS)
    for draw in (skill_figure, reliability_figure, pit_figure):
        ET.fromstring(draw(nothing, "t", ""))


@pytest.mark.parametrize(
    ("low", "high", "inputs", "said"),
    [
        (0.1, 0.2, True, "the input helps"),
        (-0.2, -0.1, True, "the input harms"),
        (-0.1, 0.2, True, "no gain shown"),
        (0.1, 0.2, False, "model better"),
        (-0.2, -0.1, False, "model worse"),
        (0.0, 0.2, False, "not told apart"),
        (np.nan, np.nan, True, "too few to say"),
    ],
)
def test_a_gain_in_words(low: float, high: float, inputs: bool, said: str) -> None:
    assert reading({"value": (low + high) / 2, "lo": low, "hi": high}, inputs=inputs) == said


def test_rows_of_text() -> None:
    assert score_rows(metrics(), "walk_forward", ["1"]) == [
        ["1", "model", "0.300", "none", "none", "0.40 (0.30 to 0.50)", "none", "40"],
        ["1", "prior", "none", "none", "none", "-3.00 (-3.10 to -2.90)", "none", "0"],
    ]
    assert score_rows(metrics(), "unseen", ["1"]) == []
    assert gain_rows(pooled(), "walk_forward", ["1-12"], inputs=True) == [
        ["1-12", "no imagery", "+0.0200 (+0.0050 to +0.0400)", "+12.5%", "none", "40", "the input helps"]
    ]
    north = scores(("1-12", "skill", "model", 0.2, np.nan, np.nan), region="north")
    assert region_rows(north, "walk_forward", "1-12") == [["north", "0.20 (too few)", "none", "none", "none", "0"]]


def card(**changes: object) -> str:
    panel = pd.DataFrame(
        {
            "plantation_id": ["A", "A", "B"],
            "month": ["2024-01", "2024-02", "2024-01"],
            "yield_t_ha": [1.0, 2.0, np.nan],
            "ndvi": [0.8, np.nan, np.nan],
        }
    )
    data: dict[str, object] = {
        "portfolio": "hill | <dale>",
        "as_of": "2024-03-31",
        "seed": 3,
        "code_version": "0.1.0",
        "simulated": False,
        "metrics": metrics(),
        "pooled": pooled(),
        "predictions": predictions(),
        "leak_checks": None,
        "panel": panel,
        "inputs": {"imagery": ("ndvi",), "sensors": ("soil_moisture_m3m3",)},
        "origins": ["2024-01", "2024-02"],
        "settings": pd.DataFrame([("boosting.l2", 5.0, "1", "here")], columns=["key", "value", "unit", "source"]),
        "notes": ["zeros: 4"],
        "failures": ["origin 2024-01, model: ValueError"],
    }
    return model_card(CardData(**{**data, **changes}))  # type: ignore[arg-type]


def predictions() -> pd.DataFrame:
    """Two plantations: A with one of three harvests outside its 80 % interval, B with both inside."""
    rows = pd.DataFrame(
        [
            ("A", "2023-11", "1", 1.0), ("A", "2024-01", "2", 2.45), ("A", "2024-01", "12", 2.0),
            ("B", "2024-01", "1", 2.0), ("B", "2024-02", "1", 1.9), ("B", "2024", "annual", 99.0),
        ],
        columns=["plantation_id", "target_month", "horizon", "observed"],
    )  # fmt: skip
    levels = {"q05": 1.5, "q10": 1.6, "q25": 1.8, "q50": 2.0, "q75": 2.2, "q90": 2.4, "q95": 2.5, "mean": 2.0}
    model = rows.assign(protocol="walk_forward", region="north", model="model", **levels)
    return pd.concat([model, model.assign(model="prior"), model.assign(protocol="unseen")], ignore_index=True)


def test_coverage_by_plantation_by_hand() -> None:
    assert plantation_rows(predictions(), "walk_forward") == [
        # 1.0 and 2.45 lie outside 1.6 to 2.4, 2.45 inside 1.5 to 2.5; errors 1, -.45, 0
        ["A", "north", "0.33", "0.67", "+0.183", "0.633", "2", "3"],
        ["B", "north", "1.00", "1.00", "+0.050", "0.071", "1", "2"],
    ]
    text = card(pooled=pd.concat([pooled(), pooled().assign(protocol="unseen")], ignore_index=True))
    assert "| A | north | 0.33 | 0.67 | +0.183 | 0.633 | 2 | 3 |" in text
    many = pd.concat([predictions().assign(plantation_id=f"P{k:02d}") for k in range(40)], ignore_index=True)
    assert "(30 of 40; all in `predictions.parquet`)" in card(predictions=many)


def test_the_card_shows_the_intervals_of_unseen_plantations() -> None:
    lines = scores(("1-12", "coverage80", "model", 0.71, 0.6, 0.8))
    hidden = scores(("1", "rmse", "model", 0.4, 0.3, 0.5))
    text = card(metrics=hidden.assign(protocol="unseen"), pooled=lines.assign(protocol="unseen"))
    assert "| 1-12 | 0.710 (0.600 to 0.800) |" in text.split("## Plantations without harvests of their own")[1]


def test_the_card_says_what_where_from_how_well_and_where_not() -> None:
    text = card()
    assert text.startswith("# Model card: yield forecast of hill \\| &lt;dale>")
    assert "does not declare simulated" in text
    assert "**SIMULATED DATA.**" not in text
    assert "2 plantations, 1 with harvests, 2 months of harvest from 2024-01 to 2024-02" in text
    assert "mean yield 1.50 t/ha and month" in text
    assert "| imagery | 1 of 2 | 2024-01 | 2024-01 | ndvi |" in text
    assert "| sensors | none |" in text
    assert "| `boosting.l2` | 5.0 | 1 | here |" in text
    assert "| 1-12 | no imagery | +0.0200 (+0.0050 to +0.0400) | +12.5% | none | 40 | the input helps |" in text
    assert "- Zeros: 4." in text
    assert "- Failed: origin 2024-01, model: ValueError." in text
    assert "Not run." in text


def test_the_card_of_simulated_data_says_so_and_lists_verdicts() -> None:
    checks = pd.DataFrame([("truncated_future", "fired", 3.0, 0.0, "3 change")])
    checks.columns = pd.Index(["check", "outcome", "value", "limit", "detail"])
    text = card(simulated=True, leak_checks=checks)
    assert "**SIMULATED DATA.**" in text
    assert "| truncated_future | fired | 3 change |" in text


def test_scores_on_fewer_rows_say_on_how_many() -> None:
    lines = scores(("1", "rmse", "prior", 0.4, 0.3, 0.5), ("1", "crps", "prior", 0.2, 0.1, 0.3))
    fewer = lines.assign(n=lines["n"].where(lines["metric"] != "crps", 25))
    assert score_rows(lines, "walk_forward", ["1"])[0][-2:] == ["0.200", "40"]
    assert score_rows(fewer, "walk_forward", ["1"])[0][-2:] == ["0.200, n 25", "40"]
    gains = pooled().assign(n=lambda f: f["n"].where(f["metric"] != "crps_gain", 31))
    (row,) = gain_rows(gains, "walk_forward", ["1-12"], inputs=False)
    assert row[4:6] == ["+0.0300 (-0.0100 to +0.0500), n 31", "40"]
