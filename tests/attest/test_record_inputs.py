"""A record rests on the rows its value read, and on no others: one changed row, and exactly the records that change."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from plantation_rwa.config import load_config
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.run import STAGES, load_inputs, open_session
from plantation_rwa.run.market_reads import MarketReads
from plantation_rwa.run.record_inputs import model_parts
from plantation_rwa.run.session import Session
from plantation_rwa.run.valuation import book_of
from plantation_rwa.testing import edit_config, edit_csv
from plantation_rwa.valuation.rights import Right
from plantation_rwa.valuation.run import Book, by_key, value
from tests.conftest import AS_OF, run_world

ALL = {"SIM-001", "SIM-002", "SIM-003", "SIM-004"}
INDONESIAN, IN_SABAH = {"SIM-001", "SIM-004"}, {"SIM-003"}
Edit = Callable[[pd.DataFrame], None]


def cell(column: str, text: str, where: dict[str, str], place: int = -1) -> Edit:
    """Set one cell: of the rows known at the date with these cells, the one at a place in the order of the file."""

    def change(frame: pd.DataFrame) -> None:
        rows = frame
        for name, wanted in where.items():
            rows = rows[rows[name] == wanted]
        for known in ("known_at", "settle_date", "date"):
            if known in rows:
                rows = rows[rows[known].str[:10] <= AS_OF.isoformat()]
        assert frame.loc[rows.index[place], column] != text
        frame.loc[rows.index[place], column] = text

    return change


SABAH = {"schedule": "sales_tax", "jurisdiction": "MY-SABAH"}
SARAWAK = {"schedule": "sales_tax", "jurisdiction": "MY-SARAWAK"}
IDR, MYR, USD = ({"currency": name, "tenor_years": "1.0"} for name in ("IDR", "MYR", "USD"))
#: what is changed -> file, edit, plantations whose record changes
ONE_ROW: dict[str, tuple[str, Edit, set[str]]] = {
    "newest K index": ("prices.csv", cell("value", "0.89", {"series": "k_id"}), INDONESIAN),
    "newest Malaysian palm oil price": ("prices.csv", cell("value", "4100", {"series": "cpo_my"}), ALL),
    "a right": ("rights.csv", cell("share", "0.11", {"plantation_id": "SIM-002"}), {"SIM-002"}),
    "a sponsor": ("sponsors.csv", cell("hazard_per_year", "0.09", {"sponsor_id": "SPONSOR-A"}), INDONESIAN),
    "the mill that pays": ("mills.csv", cell("lgd", "0.91", {"mill_id": "MILL-2"}), {"SIM-002", "SIM-004"}),
    "sales tax of Sabah": ("fiscal.csv", cell("value", "0.05", SABAH), IN_SABAH),
    "Malaysian cess": ("fiscal.csv", cell("value", "18", {"schedule": "cess"}), ALL),
    "rupiah zero rate": ("rates.csv", cell("zero_rate", "0.07", IDR), INDONESIAN),
    "ringgit zero rate": ("rates.csv", cell("zero_rate", "0.04", MYR), ALL),
    "ringgit to rupiah": ("fx.csv", cell("rate", "3500.0", {"base": "MYR", "quote": "IDR"}), INDONESIAN),
    "a settlement": ("futures.csv", cell("settle", "4321", {"contract": "2026-09"}), ALL),
}
#: rows that no value reads: replaced, ended, of another state or currency, names
NOBODYS: dict[str, list[Edit]] = {
    "prices.csv": [cell("value", "0.89", {"series": "k_id"}, 0)],
    "mills.csv": [cell("name", "Another name", {"mill_id": "MILL-2"})],
    "fiscal.csv": [cell("value", "0.07", SARAWAK), cell("value", "15", {"schedule": "cess"}, 0)],
    "rates.csv": [cell("zero_rate", "0.05", USD), cell("zero_rate", "0.04", MYR, 0)],
    "fx.csv": [
        cell("rate", "0.91", {"base": "EUR", "quote": "USD"}),
        cell("rate", "3500.0", {"base": "MYR", "quote": "IDR"}, 0),
    ],
    "futures.csv": [cell("volume", "4321", {"contract": "2026-09"})],
}


@pytest.fixture
def terms_world(light_world: Path) -> Path:
    """The light world with files of its own for rights and taxes."""
    folder = light_world.parent
    rows = "".join(f"{p},R1,0.2\n" for p in sorted(ALL))
    (folder / "rights.csv").write_text("plantation_id,right_id,share\n" + rows, "utf-8")
    (folder / "market" / "fiscal.csv").write_bytes(
        resources.files("plantation_rwa").joinpath("data/fiscal.csv").read_bytes()
    )
    return edit_config(light_world, {"portfolio.rights": "rights.csv", "market.fiscal": "market/fiscal.csv"})


def records_of(out: Path) -> dict[str, dict[str, Any]]:
    frame = pd.read_parquet(next(out.glob("attestations/as_of=*/records.parquet")))
    return {r["plantation_id"]: json.loads(r["record"]) | {"hash": r["record_hash"]} for r in frame.to_dict("records")}


def edited(edits: list[Edit]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        for edit in edits:
            edit(frame)
        return frame

    return change


def changed(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]], member: str) -> set[str]:
    return {p for p in ALL if before[p][member] != after[p][member]}


@pytest.mark.slow
def test_one_changed_row_changes_exactly_the_records_that_depend_on_it(terms_world: Path, tmp_path: Path) -> None:
    before = records_of(run_world(terms_world, tmp_path / "out", stages=STAGES[:-1]).root)
    assert set(before) == ALL
    for number, (what, (name, change, expected)) in enumerate(ONE_ROW.items()):
        path = next(terms_world.parent.rglob(name))
        whole = path.read_bytes()
        edit_csv(path, edited([change]))
        out = shutil.copytree(tmp_path / "out", tmp_path / f"out{number}")  # what does not depend on it stays
        after = records_of(run_world(terms_world, out, stages=STAGES[:-1]).root)
        path.write_bytes(whole)
        assert changed(before, after, "hash") == changed(before, after, "inputs_hash") == expected, what
        # sixty days of settlements calibrate nothing: the price model is the prior
        assert changed(before, after, "model_hash") == set(), what


@pytest.mark.long
@pytest.mark.slow
def test_rows_that_no_value_reads_change_no_record(terms_world: Path, tmp_path: Path) -> None:
    before = records_of(run_world(terms_world, tmp_path / "out").root)
    for name, edits in NOBODYS.items():
        edit_csv(next(terms_world.parent.rglob(name)), edited(edits))
    assert changed(before, records_of(run_world(terms_world, tmp_path / "again").root), "hash") == set()


@pytest.fixture
def session(light_world: Path) -> Session:
    config = load_config(light_world)
    return open_session(config, load_inputs(config), AS_OF)


@pytest.fixture
def book(session: Session, light_world: Path, tmp_path: Path) -> Book:
    """What values the rights of the light world, its price model fitted."""
    run_world(light_world, tmp_path / "out", stages=("features", "forecast"))
    tables = (read_part(next((tmp_path / "out" / name).rglob("*.parquet"))) for name in ("forecasts", "forecast_model"))
    return book_of(session, session.known, AS_OF, *tables).calibrated()[0]


def values(book: Book, session: Session, table: str, rows: pd.DataFrame) -> dict[str, tuple[Any, ...]]:
    market = dataclasses.replace(book.market, **{table: rows})
    found = value(dataclasses.replace(book, market=market), full=False).valuations
    columns = [c for c in ("npv_fair", "npv_q05", "npv_q50", "npv_q95", "quality_flag", "ffb_price_spot") if c in found]
    return {str(r["plantation_id"]): tuple(str(r[c]) for c in columns) for r in found.to_dict("records")}


def asked(session: Session, table: str, rows: pd.DataFrame) -> dict[str, dict[str, str]]:
    reads = MarketReads(dataclasses.replace(session, known=dataclasses.replace(session.known, **{table: rows})))
    places = by_key(session.known.register, "plantation_id")
    rights = [Right.of(r, AS_OF) for r in session.known.rights.to_dict("records")]
    return {r.plantation_id: reads.of(places[r.plantation_id], r) for r in rights}


def chosen(table: str, frame: pd.DataFrame) -> list[int]:
    """Places of the rows to bend: all rules but most bands, the newest and the oldest of the others."""
    if table == "fiscal":
        bands = frame["key"].str.startswith(("<", ">")).to_numpy()
        return [i for i in range(len(frame)) if not bands[i]] + [i for i in range(len(frame)) if bands[i]][::9]
    keys = {"rates": ["currency", "tenor_years"], "fx": ["base", "quote"], "prices": ["series", "region"]}[table]
    places = frame.reset_index(drop=True).groupby(keys, sort=True, dropna=False).tail(1).index.tolist()
    return [*places, 0]


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    "table", ["fiscal", *(pytest.param(t, marks=pytest.mark.long) for t in ("rates", "fx", "prices"))]
)
def test_no_value_changes_without_the_hash_of_its_inputs(session: Session, book: Book, table: str) -> None:
    """Every row bent in turn: a value that moves has told of that row, and most rows move somebody or nobody."""
    whole = getattr(session.known, table)
    values_before, asked_before = values(book, session, table, whole), asked(session, table, whole)
    column = {"fiscal": "value", "rates": "zero_rate", "fx": "rate", "prices": "value"}[table]
    told = set()
    for place in chosen(table, whole):
        rows = whole.copy()
        rows.iloc[place, rows.columns.get_loc(column)] = float(rows[column].iloc[place]) * 1.05 + 0.001
        moved = {p for p, v in values(book, session, table, rows).items() if v != values_before[p]}
        hashed = {p for p, h in asked(session, table, rows).items() if h != asked_before[p]}
        assert moved <= hashed, (place, whole.iloc[place].to_dict())
        told.add(frozenset(hashed))
    assert frozenset() in told
    assert frozenset(INDONESIAN) in told or frozenset(IN_SABAH) in told


def test_a_standard_error_is_no_part_of_the_model_hash() -> None:
    """Its last digits depend on the processor's arithmetic, and no value rests on it; a parameter counts."""
    model = pd.DataFrame({"plantation_id": ["A"], "sd_log_month": [0.2]})
    prices = pd.DataFrame({"parameter": ["kappa"], "value": [1.2], "std_error": [0.1], "method": ["prior"]})
    stated = model_parts(model, prices)
    assert model_parts(model, prices.assign(std_error=0.2)) == stated
    assert model_parts(model, prices.assign(value=1.3)) != stated
