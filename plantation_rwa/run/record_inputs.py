"""What each record rests on: hashes of exactly the inputs a right's value depends on."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from plantation_rwa.attest.hashing import canonical, frame_hash, hash_of, list_hash, row_hash, rows_hash
from plantation_rwa.attest.records import Limits, Sources, build_record, key_hash, record_hash, record_key, salt_of
from plantation_rwa.config import fingerprint
from plantation_rwa.run.market_reads import MarketReads
from plantation_rwa.run.session import Session, code_hash, configuration_record
from plantation_rwa.run.signers import salt_secret
from plantation_rwa.valuation.rights import Right, missing
from plantation_rwa.valuation.run import records as dicts

Row = Mapping[str, Any]
_PARTY = ("sponsor_id", "mill_id", "hazard_per_year", "lgd")


def record_rows(
    session: Session,
    tables: Mapping[str, pd.DataFrame],
    salts: Mapping[str, str] | None = None,
    *,
    program: str | None = None,
) -> pd.DataFrame:
    """The records of a date as table ``records``, without their place in the tree.

    Parameters
    ----------
    tables
        Finalised or published ``valuations``, ``forecasts``, ``forecast_model`` and ``price_model``.
    salts
        Salt by record key where they are published; None makes them from the issuer's secret, or without one.
    program
        Hash of the code that the records name, where a replay tells another program's records by its own numbers; None
        for this program's.
    """
    as_of, portfolio = session.as_of.isoformat(), session.config.portfolio.name
    secret, limits = salt_secret(session.config), limits_of(session)
    model = model_parts(tables["forecast_model"], tables["price_model"])
    model |= {} if program is None else {"code": program}
    configuration = "0x" + configuration_record(session.config)["sha256"]
    inputs = _Inputs(session, tables["forecasts"])
    rows = []
    for row in dicts(pd.DataFrame(tables["valuations"])):
        own = inputs.of(str(row["plantation_id"]), str(row["right_id"]))
        sources = Sources(hash_of(own), hash_of(model), configuration)
        key = record_key(str(row["plantation_id"]), str(row["right_id"]), as_of)
        salt = salt_of(key, secret) if salts is None else salts[key]
        salted = salt != salt_of(key, None)
        record = build_record(row, as_of, portfolio, sources, limits, salted=salted)
        rows.append(
            {
                "plantation_id": row["plantation_id"],
                "right_id": row["right_id"],
                "record": _text(record),
                "salt": salt,
                "key_hash": key_hash(key),
                "record_hash": record_hash(record, salt),
                "components": _text({"inputs": own, "model": model}),
            }
        )
    return pd.DataFrame(rows)


def model_parts(forecast_model: pd.DataFrame, price_model: pd.DataFrame) -> dict[str, str]:
    """Hashes of the fitted models and of the code that made the numbers; their hash is the model hash.

    The forecast is fitted on the whole portfolio: one harvest that changes, changes the model of every record. Standard
    errors of the price model enter no value, and are second derivatives whose last digits depend on the processor's
    arithmetic: they are published and compared, and not in the hash.
    """
    return {
        "forecast_model": frame_hash(forecast_model),
        "price_model": frame_hash(price_model.drop(columns="std_error")),
        "code": "0x" + fingerprint({stage: code_hash(stage) for stage in ("forecast", "valuation")}),
    }


def salt_check(session: Session) -> str:
    """What tells one secret of the salts from another without telling it; ``public`` without a secret."""
    secret = salt_secret(session.config)
    return "public" if secret is None else hmac.new(secret, b"check", hashlib.sha256).hexdigest()[:16]


def limits_of(session: Session) -> Limits:
    """When a value is indicative, by the assumptions."""
    a = session.assumptions
    flags = frozenset(str(code) for code in a.table("attest.stale_flags"))
    return Limits(int(a.number("attest.data_age_limit_days")), int(a.number("attest.breaker_bps")), flags)


class _Inputs:
    """Hashes of the rows that a right's value depends on, each table read once."""

    def __init__(self, session: Session, forecasts: pd.DataFrame) -> None:
        known = session.known
        self._session = session
        self._register = _by(known.register, "plantation_id")
        self._rights = {(str(r["plantation_id"]), str(r["right_id"])): r for r in _dicts(known.rights)}
        self._sponsors, self._mills = _by(known.sponsors, "sponsor_id"), _by(known.mills, "mill_id")
        self._market = MarketReads(session)
        self._overlays: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in _dicts(known.overlays):
            self._overlays.setdefault((str(row["plantation_id"]), str(row["right_id"])), []).append(row)
        columns = [c for c in forecasts.columns if c != "geometry"]
        self._forecasts: dict[str, list[tuple[str, str]]] = {}
        for row in dicts(pd.DataFrame(forecasts)[columns]):
            own = self._forecasts.setdefault(str(row["plantation_id"]), [])
            own.append((str(row["target_month"]), row_hash(row)))

    def of(self, plantation_id: str, right_id: str) -> dict[str, str]:
        """Hash by input of one right."""
        place, terms = self._register[plantation_id], self._rights[(plantation_id, right_id)]
        right = Right.of(terms, self._session.as_of)
        months = {str(m) for m in right.months(self._session.as_of)}
        manual = self._overlays.get((plantation_id, right_id), [])
        return ({"overlays": rows_hash(manual)} if manual else {}) | {
            "register": row_hash(place),
            "right": row_hash(terms),
            "parties": rows_hash(self._parties(place, right)),
            "forecasts": list_hash(h for m, h in self._forecasts.get(plantation_id, []) if m in months),
            **self._market.of(place, right),
        }

    def _parties(self, place: Row, right: Right) -> Iterable[Row]:
        """Who can default: the payor where the sponsor table knows it, else the sponsor, and the payor as a mill."""
        payor, sponsor = right.payor_id or "", _text_of(place, "sponsor_id")
        found = []
        if payor in self._sponsors and payor not in self._mills:
            found.append(self._sponsors[payor])
        else:
            found += [self._sponsors[sponsor]] if sponsor in self._sponsors else []
            found += [self._mills[payor]] if payor in self._mills else []
        return [{k: v for k, v in party.items() if k in _PARTY} for party in found]


def _dicts(frame: pd.DataFrame) -> list[dict[str, Any]]:
    columns = [str(c) for c in frame.columns]
    cells = [frame[c].tolist() for c in columns]
    return [dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True)]


def _by(frame: pd.DataFrame, key: str) -> dict[str, dict[str, Any]]:
    return {str(row[key]): row for row in reversed(_dicts(frame))} if key in frame else {}


def _text_of(row: Row, name: str) -> str:
    return "" if missing(row.get(name)) else str(row[name])


def _text(value: Mapping[str, Any]) -> str:
    return canonical(value).decode()
