"""The bridge between two dates: nothing is left over, and a change of one input shows in its own step only."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from types import SimpleNamespace

import pandas as pd
import pytest

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.valuation.bridge import STEPS, bridge
from plantation_rwa.valuation.cashflows import Shock
from plantation_rwa.valuation.run import Book, value

OLD, NEW = dt.date(2026, 1, 31), dt.date(2026, 2, 28)
IDS = ("P1", "P2")
KEYS = tuple((i, "R1") for i in IDS)
Edit = Callable[[Book], Book]


@pytest.fixture(scope="module")
def book(make: SimpleNamespace, assumptions: Assumptions) -> Book:
    """Johor and Riau, both with a term that does not move with the date."""
    parties = pd.DataFrame({"sponsor_id": ["S1"], "hazard_per_year": [0.03], "lgd": [0.6]})
    return Book(
        pd.concat([make.forecast(i) for i in IDS], ignore_index=True), pd.DataFrame([make.model(i) for i in IDS]),
        make.register(), make.rights(IDS, start_month="2026-02", tenor_months=20), make.market(), OLD, 7, 200, "MYR",
        assumptions, sponsors=parties,
    )  # fmt: skip


def integers(book: Book) -> dict[tuple[str, str], int]:
    rows = value(book, full=False).valuations
    keys = zip(rows["plantation_id"], rows["right_id"], strict=True)
    return dict(zip(keys, (int(v) for v in rows["nav_total_int"]), strict=True))


def steps(book: Book, edit: Edit = lambda b: b, opening: int = 0) -> dict[tuple[str, str], dict[str, int]]:
    new = edit(dataclasses.replace(book, as_of=NEW))
    began = {k: v + opening for k, v in integers(book).items()}
    return bridge(book, new, began, integers(new), dict.fromkeys(KEYS, "MYR"))


def prices(series: str, factor: float) -> Edit:
    def edit(book: Book) -> Book:
        table = book.market.prices.copy()
        table.loc[table["series"] == series, "value"] *= factor
        return dataclasses.replace(book, market=dataclasses.replace(book.market, prices=table))

    return edit


def market(name: str, column: str, factor: float) -> Edit:
    def edit(book: Book) -> Book:
        table = getattr(book.market, name)
        table = table.assign(**{column: table[column] * factor})
        return dataclasses.replace(book, market=dataclasses.replace(book.market, **{name: table}))

    return edit


def yields(book: Book) -> Book:
    return dataclasses.replace(
        book, forecasts=book.forecasts.assign(area_mature_ha=book.forecasts["area_mature_ha"] * 1.02)
    )


def hazard(book: Book) -> Book:
    assert book.sponsors is not None
    return dataclasses.replace(book, sponsors=book.sponsors.assign(hazard_per_year=0.06))


def terms(book: Book) -> Book:
    return dataclasses.replace(book, rights=book.rights.assign(share=0.25))


def test_nothing_new_is_cash_and_time_alone(book: Book) -> None:
    for found in steps(book).values():
        assert list(found) == list(STEPS)
        moved = {name for name, step in found.items() if step and name not in ("opening", "closing")}
        assert moved == {"cash", "time"}
        assert found["cash"] < 0 < found["time"]
        # a month of about 7 % a year, spreads and intensity included, on what is left
        assert found["time"] / found["opening"] == pytest.approx(0.008, abs=0.006)
        assert sum(v for k, v in found.items() if k != "closing") == found["closing"]


@pytest.mark.parametrize(
    ("edit", "step", "moved"),
    [
        (market("futures", "settle", 1.05), "curve", {"P1", "P2"}),
        (prices("pk_my", 1.1), "pk", {"P1"}),
        (prices("pk_id", 1.1), "pk", {"P2"}),
        (prices("k_id", 1.01), "extraction", {"P2"}),
        (yields, "yield", {"P1", "P2"}),
        (market("fx", "rate", 0.98), "fx", {"P2"}),
        (market("rates", "zero_rate", 1.2), "discount", {"P1", "P2"}),
        (hazard, "discount", {"P1"}),
        (terms, "issuance", {"P1", "P2"}),
    ],
)
def test_one_new_input_moves_its_own_step_only(book: Book, edit: Edit, step: str, moved: set[str]) -> None:
    still, found = steps(book), steps(book, edit)
    for key in KEYS:
        assert sum(v for k, v in found[key].items() if k != "closing") == found[key]["closing"]
        changed = {name for name in STEPS if found[key][name] != still[key][name]} - {"closing"}
        assert changed == ({step} if key[0] in moved else set())


def test_what_code_and_assumptions_change_is_the_model_step(book: Book) -> None:
    for key, found in steps(book, opening=123).items():
        assert found["model"] == -123
        assert sum(v for k, v in found.items() if k != "closing") == found["closing"], key


def test_a_right_without_a_value_before_is_all_issuance(book: Book) -> None:
    new = dataclasses.replace(book, as_of=NEW)
    closing = integers(new)
    found = bridge(book, new, {KEYS[0]: integers(book)[KEYS[0]]}, closing, dict.fromkeys(KEYS, "MYR"))
    assert found[KEYS[1]] == dict.fromkeys(STEPS, 0) | {"issuance": closing[KEYS[1]], "closing": closing[KEYS[1]]}
    assert found[KEYS[0]]["opening"] > 0


def test_stresses_have_the_direction_and_the_order_of_history(book: Book) -> None:
    """A price collapse before a failing sponsor before a two-year drought before a shortage of harvesters."""
    row = value(book).valuations.set_index("plantation_id")
    for plantation, indonesian in (("P1", False), ("P2", True)):
        fair = row.loc[plantation, "npv_fair"]
        stress = {c.removeprefix("stress_"): row.loc[plantation, c] / fair for c in row if c.startswith("stress_")}
        assert all(v <= 1 + 1e-9 for v in stress.values())
        assert stress["exportban2022"] < stress["gfc2008"] < stress["combo"] < stress["labour2021"] < 1
        assert stress["combo"] < stress["elnino2016"] < 1
        assert stress["freeze"] < 1
        assert bool(stress["policy"] < 0.97) == indonesian
        assert bool(stress["rates_fx"] < 0.9) == indonesian


def test_a_certain_default_recovers_its_share_a_year_late(book: Book) -> None:
    """Default in month 1: every payment becomes 40 % of itself, discounted from a year after its date."""
    valuer = book.valuer(36)
    right = book.terms()[0]
    schedule = valuer.schedule(right, "MYR")
    failed = valuer.fair(right, Shock("d", default_month=1, recovery=0.4))
    whole = valuer.fair(right, Shock("h", hazard=-1.0))
    assert failed / whole == pytest.approx(0.4 * (schedule.late / schedule.paid).mean(), rel=0.01)
