"""What a right's value rests on in the market's tables: the answers its formula got, and no row it did not ask for."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from plantation_rwa.attest.hashing import cell_text, hash_of
from plantation_rwa.periods import Month, year_fraction
from plantation_rwa.run.session import Session
from plantation_rwa.valuation.discounting import curve_or_assumed
from plantation_rwa.valuation.drivers import Drivers
from plantation_rwa.valuation.market import MarketTables, Price, Reads
from plantation_rwa.valuation.nodes import NodeRules, days_of, usable
from plantation_rwa.valuation.pricing import Pricer
from plantation_rwa.valuation.rights import Right, missing

Row = Mapping[str, Any]
#: columns of the register that decide what a formula asks
_ASKING = ("country", "state", "region", "scheme")
#: what is asked does not depend on the paths
_PATHS = 2


class MarketReads:
    """Runs the pricing of each kind of plantation once more and keeps what it asks the market's tables.

    So the inputs of a record are those that the valuation read, by the code that read them: prices and exchange rates
    as they were found, rules of its own country and state in the months of the right, the zero curve of its currency.
    The Malaysian rules and prices belong to every right, since the sponsors' hardship rests on them.
    """

    def __init__(self, session: Session) -> None:
        self._session, self._kept = session, dict[tuple[Any, ...], tuple[dict[str, str], str]]()
        names = [f.name for f in dataclasses.fields(MarketTables) if f.name != "holidays"]
        self._tables = MarketTables(**{name: getattr(session.known, name) for name in names})

    def of(self, place: Row, right: Right) -> dict[str, str]:
        """Hash by table of what a right's value rests on.

        Parameters
        ----------
        place
            The plantation's row of the register.
        """
        as_of = self._session.as_of
        first = Month.of(as_of) + 1
        paid = max((right.cash_month(m) for m in right.months(as_of)), default=first)
        months = 12 * max(1, -(-(paid - first + 1) // 12))
        texts = tuple("" if missing(place.get(name)) else str(place[name]) for name in _ASKING)
        key = (months, *texts)
        if key not in self._kept:
            self._kept[key] = self._asked(place, months)
        found, currency = self._kept[key]
        return found | {"rates": self._curve(currency, max(paid, first).last)}

    def _asked(self, place: Row, months: int) -> tuple[dict[str, str], str]:
        """Hashes of what the pricing of such a plantation asks, and the currency it reports in."""
        session, reads = self._session, Reads()
        drivers = Drivers(session.config.seed, session.as_of, months, _PATHS, session.assumptions)
        pricer = Pricer(
            self._tables, drivers, session.config.portfolio.currency, session.assumptions, reads=reads
        )  # fmt: skip
        prices = pricer.plantation({name: place.get(name) for name in _ASKING}, None)
        # the sponsors' hardship
        _ = pricer.reference
        by_table: dict[str, dict[str, Any]] = {}
        for (table, *question), answer in reads.items():
            by_table.setdefault(str(table), {})["|".join(map(str, question))] = _text(answer)
        fronts = {day.isoformat(): _text(front) for day, front in pricer.fronts.items()}
        hashes = {table: hash_of(answers) for table, answers in by_table.items()}
        return hashes | {"futures": hash_of([self._settlements, fronts])}, prices.reporting

    @cached_property
    def _settlements(self) -> list[list[str]]:
        """Settlements that the price model is fitted on, the newest of them the curve's."""
        session = self._session
        rules = NodeRules.of(session.assumptions, self._tables.holidays)
        found = []
        for settled, nodes in days_of(usable(self._tables.futures, rules, session.as_of), rules):
            found.append([settled.isoformat(), *(f"{n.contract} {_text(n.settle)} {n.currency}" for n in nodes)])
            if len(found) == int(session.assumptions.number("price_model.panel_days")):
                break
        return found

    def _curve(self, currency: str, end: dt.date) -> str:
        """Zero rates that discount payments up to a day and their recovery: to the first node beyond."""
        session, a = self._session, self._session.assumptions
        curve = curve_or_assumed(self._tables.rates, currency, session.as_of, a)
        last = year_fraction(session.as_of, end) + a.number("discount.recovery_lag_months") / 12.0
        beyond = sum(t < last for t in curve.times) + 1
        nodes = [[_text(t), _text(r)] for t, r in zip(curve.times, curve.rates, strict=True)][:beyond]
        return hash_of([currency, nodes])


def _text(answer: object) -> Any:
    """An answer in texts; nothing as an empty one."""
    if isinstance(answer, Price):
        return {k: _text(v) for k, v in vars(answer).items()}
    if isinstance(answer, dict):
        return {str(k): _text(v) for k, v in answer.items()}
    return cell_text(answer) or ""
