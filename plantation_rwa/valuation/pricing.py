"""Price paths of one plantation: which formula, which currency, from which series and forwards."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.periods import Month
from plantation_rwa.valuation import ffb_price, fiscal, usd_netback
from plantation_rwa.valuation.cashflows import Shock
from plantation_rwa.valuation.curve import FV_LEVEL, ForwardCurve, build_curve, curve_flags, flat_curve
from plantation_rwa.valuation.drivers import Drivers
from plantation_rwa.valuation.fiscal import FiscalTable
from plantation_rwa.valuation.market import FxRates, MarketTables, Price, Prices, Reads
from plantation_rwa.valuation.plantation_prices import Formula, PlantationPrices
from plantation_rwa.valuation.rights import missing
from plantation_rwa.valuation.stand import scheme_of

FloatArray = NDArray[np.float64]
#: market paths kept at a time
_BASES = 8


class Pricer:
    """The market of one run; :meth:`plantation` gives one plantation's prices and depends on no other plantation.

    Parameters
    ----------
    market
        Tables known at the valuation date.
    drivers
        Joint paths of the run.
    reporting
        Portfolio currency.
    growth
        Growth of the forward beyond the last contract by the calibrated price model; None for the assumed one.
    reads
        Takes a note of what the market's tables are asked and answer.
    """

    def __init__(
        self,
        market: MarketTables,
        drivers: Drivers,
        reporting: str,
        assumptions: Assumptions,
        growth: float | None = None,
        reads: Reads | None = None,
    ) -> None:
        self._market, self._drivers, self._reporting, self._assumptions = market, drivers, reporting, assumptions
        self._as_of = drivers.as_of
        self._months = [Month.of(self._as_of) + (i + 1) for i in range(drivers.months)]
        self._prices = Prices(market.prices, self._as_of, reads)
        self._fx = FxRates(market.fx, market.rates, self._as_of, reads)
        self._fiscal = FiscalTable(market.fiscal, reads)
        self._growth = growth
        self.fronts: dict[dt.date, float] = {}
        self._bases: dict[tuple[object, ...], FloatArray] = {}
        self._found: dict[tuple[str, tuple[str, ...]], Price | None] = {}
        self._schedules: dict[tuple[str, str, tuple[str, ...]], tuple[FloatArray, set[str]]] = {}
        self.curve = self._run_curve()

    def _latest(self, series: str, regions: Sequence[str] = ()) -> Price | None:
        """Newest price of a series; asked again it answers from memory."""
        key = (series, tuple(regions))
        if key not in self._found:
            self._found[key] = self._prices.latest(series, regions)
        return self._found[key]

    def _run_curve(self) -> ForwardCurve | None:
        curve = build_curve(self._market.futures, self._as_of, self._assumptions, self._market.holidays, self._growth)
        spot = self._latest("cpo_my")
        if curve is not None or spot is None:
            return curve
        return flat_curve("cpo_my", spot.currency or "MYR", spot.value, self._as_of, spot.day)

    def plantation(self, row: Mapping[str, Any], age_years: float | None) -> PlantationPrices:
        """Prices of one plantation.

        Parameters
        ----------
        row
            Register row: ``plantation_id, country, state, region, scheme, oer, ker, realised_price_factor,
            planted_area_ha``.
        age_years
            Mean age of the palms at the valuation date, None if unknown.
        """
        a, flags = self._assumptions, set[str]()
        country = "" if missing(row.get("country")) else str(row["country"]).upper()
        scheme = scheme_of(row, a)
        local = str(a.table("scheme.currency")[scheme])
        reporting = self._reporting
        if self._fx.spot(local, reporting) is None:
            reporting = local
            flags.add("fx_missing")
        regions = [str(r) for r in (row.get("region"), row.get("state")) if not missing(r)]
        indonesian = scheme.startswith("id_")
        price = self._prices.latest("cpo_my")
        near = None if price is None else (price.value, price.currency)
        flags |= curve_flags(self.curve, self._as_of, near, a, calibrated=self._growth is not None)
        series = "id" if indonesian else "my"
        spot_cpo = self._spot_cpo(series, local, regions)
        forward = self._forward_id(local, spot_cpo, regions, flags) if indonesian else self._forward_my(local, flags)
        if spot_cpo is None and forward is not None:
            spot_cpo = float(forward[0])
        dollar = self._dollar_price(local, regions) if indonesian else None
        by_dollar = None if dollar is None else dollar.domestic()
        if by_dollar is None and forward is None:
            flags.add("no_price")
        ratio = self._kernel_ratio(series, local, spot_cpo, regions, flags)
        if indonesian:
            formula, k = self._indeks_k(scheme, regions, age_years)
            if self._prices.latest("k_id", regions) is None:
                flags.add("price_default")
        else:
            formula, k = self._netback(row, country or "MY", flags), 0.0
        level = row.get("realised_price_factor")
        level = a.number("farm_gate.realised_factor") if missing(level) else float(level)  # type: ignore[arg-type]
        spot = None
        if spot_cpo is not None:
            spot = level * formula.spot(spot_cpo, ratio * spot_cpo) * (self._fx.spot(local, reporting) or 1.0)
        sources = self._sources
        derived = indonesian or local != (self.curve.currency if self.curve is not None else local)
        levels = tuple(max(FV_LEVEL[s], 2 if derived else 1) for s in sources)
        forwards = () if forward is None else tuple(forward.tolist())
        key = (local, reporting, by_dollar is None, forwards, ratio, k)
        mixer: FloatArray | float = self._drivers.k_index(k) if indonesian else 1.0
        rate: FloatArray | float = 1.0 if local == reporting else self._to(local, reporting)

        def moved(factor: FloatArray, today: float) -> FloatArray:
            paths = None if dollar is None else dollar.domestic(factor, today)
            return self._basis((*key, factor.tobytes(), today), (paths, None), local, ratio, mixer, rate)

        carried = self.curve is not None and self.curve.currency != local and "fx_missing" not in flags
        return PlantationPrices(
            currency=local,
            reporting=reporting,
            key=key,
            basis=self._basis(key, (by_dollar, forward), local, ratio, mixer, rate),
            terms=level * formula.terms,
            oer_terms=level * formula.oer_terms,
            paid=self._drivers.realised(str(row.get("plantation_id", ""))),
            mixer=mixer,
            k_mean=k,
            rate=rate,
            levy=self._windfall_levy(row, country, flags),
            spot=spot,
            forward=np.zeros(len(self._months)) if forward is None else forward,
            sources=sources,
            levels=levels,
            flags=frozenset(flags),
            follows=carried,
            by_dollar=None if by_dollar is None else moved,
        )

    @cached_property
    def _sources(self) -> tuple[str, ...]:
        curve = self.curve
        return tuple("extrapolated" if curve is None else curve.source(m) for m in self._months)

    @cached_property
    def reference(self) -> PlantationPrices | None:
        """Prices of a Malaysian estate of average extraction, for the sponsors' hardship; None without a price."""
        prices = self.plantation({"country": "MY", "scheme": "my_netback"}, None)
        return None if "no_price" in prices.flags else prices

    def _basis(
        self,
        key: tuple[object, ...],
        oil: tuple[FloatArray | None, FloatArray | None],
        local: str,
        ratio: float,
        mixer: FloatArray | float,
        rate: FloatArray | float,
    ) -> FloatArray:
        """Basis of the key's market: palm oil by paths of the dollar price, or about the forward, or none."""
        if key not in self._bases:
            paths, forward = oil
            cpo = self._cpo_paths(forward, local) if paths is None and forward is not None else paths
            shape = (self._drivers.months, 3, self._drivers.paths)
            basis = np.zeros(shape) if cpo is None else np.empty(shape)
            if cpo is not None:
                basis[:, 0] = cpo * mixer * rate
                basis[:, 1] = basis[:, 0] * (self._drivers.kernel * self._drivers.kernel_mean(ratio)[:, None])
                basis[:, 2] = rate
            self._bases = {**dict(list(self._bases.items())[-_BASES + 1 :]), key: basis}
        return self._bases[key]

    # palm oil -----------------------------------------------------------------------------------------------

    def _spot_cpo(self, series: str, local: str, regions: list[str]) -> float | None:
        price = self._latest(f"cpo_{series}", regions)
        if price is not None:
            rate = self._fx.spot(price.currency or local, local)
            return None if rate is None else price.value * rate
        return self._from_reference_price(local) if series == "id" else None

    def _from_reference_price(self, local: str) -> float | None:
        """Indonesian domestic price from the monthly USD reference price, duty and levy off."""
        price, rate = self._latest("hr_cpo_usd"), self._fx.spot("USD", local)
        if price is None or rate is None:
            return None
        duty = usd_netback.export_duty_id(self._fiscal, price.value, self._as_of)
        levy = usd_netback.export_levy_id(self._fiscal, price.value, self._as_of)
        if duty is None or levy is None:
            return None
        return ffb_price.domestic_from_usd(
            price.value, duty, levy, self._assumptions.number("indonesia.port_costs_usd_t"), rate
        )

    def _dollar_price(self, local: str, regions: list[str]) -> usd_netback.DollarPrice | None:
        """The reference price's paths where no domestic one is known: duty and levy follow the price."""
        price, curve, a = self._latest("hr_cpo_usd"), self.curve, self._assumptions
        if price is None or curve is None or self._latest("cpo_id", regions) is not None:
            return None
        pairs = ((curve.currency, "USD"), ("USD", local))
        forwards = [[self._fx.forward(*pair, float(t)) for t in self._drivers.times] for pair in pairs]
        if any(rate is None for line in forwards for rate in line):
            return None
        to_usd, to_local = (np.array(line, dtype=np.float64)[:, None] for line in forwards)
        basis = price.value / self._futures_in("USD", curve.currency, price)
        shape = np.array([curve.month(m) for m in self._months])[:, None] * to_usd * basis
        dollar = self._shock("USD")
        usd = self._drivers.price * shape * (self._shock(curve.currency) / dollar)
        rates = to_local * (dollar / self._shock(local))
        days = tuple(dt.date(m.year, m.number, 15) for m in self._months)
        return usd_netback.DollarPrice(
            usd, rates, self._fiscal, days, price.value, a.number("indonesia.port_costs_usd_t")
        )

    def _curve_forwards(self) -> FloatArray | None:
        return None if self.curve is None else np.array([self.curve.month(m) for m in self._months])

    def _forward_my(self, local: str, flags: set[str]) -> FloatArray | None:
        forwards = self._curve_forwards()
        if forwards is None or self.curve is None or self.curve.currency == local:
            return forwards
        rates = [self._fx.forward(self.curve.currency, local, float(t)) for t in self._drivers.times]
        if any(r is None for r in rates):
            flags.add("fx_missing")
            return None
        return forwards * np.array(rates, dtype=np.float64)

    def _forward_id(self, local: str, spot: float | None, regions: list[str], flags: set[str]) -> FloatArray | None:
        """Indonesian forwards: the curve in local currency times the basis of the latest domestic price.

        ``H_CPO(t) = F(t) X(t) b`` with X the forward exchange rate and ``b = cpo_id / mean(F X)`` over the days
        that price is an average of: its month's settlement days, or its own day. Without an exchange rate the
        curve gives the shape only, without a curve the price stays flat.
        """
        forwards = self._curve_forwards()
        if forwards is None or self.curve is None:
            return None if spot is None else np.full(len(self._months), spot)
        rates = [self._fx.forward(self.curve.currency, local, float(t)) for t in self._drivers.times]
        if any(r is None for r in rates):
            flags.add("fx_missing")
            return None if spot is None else forwards * (spot / self.curve.at(self._as_of))
        basis = self._assumptions.number("indonesia.basis_default")
        if spot is None:
            flags.add("price_default")
        else:
            observed = self._latest("cpo_id", regions) or Price(spot, local, self._as_of)
            basis = spot / self._futures_in(local, self.curve.currency, observed)
        return forwards * np.array(rates, dtype=np.float64) * basis

    def _futures_in(self, local: str, currency: str, observed: Price) -> float:
        """Front of the curve in local currency, averaged over the days a physical price stands for."""
        days = [observed.day]
        if observed.monthly:
            settled = self._market.futures["settle_date"].dt.date
            inside = settled[(settled >= observed.day.replace(day=1)) & (settled <= observed.day)]
            days = sorted(set(inside)) or days
        values = [
            self._front(d) * (self._fx.spot(currency, local, d) or self._fx.spot(currency, local) or 1.0) for d in days
        ]
        return sum(values) / len(values)

    def _front(self, day: dt.date) -> float:
        """Front of the curve as it stood on a day, today's where there was none; kept in ``fronts``."""
        if day not in self.fronts:
            then = build_curve(self._market.futures, day, self._assumptions, self._market.holidays)
            curve = then or self.curve
            self.fronts[day] = curve.at(day) if curve is not None else float("nan")
        return self.fronts[day]

    def _cpo_paths(self, forward: FloatArray, local: str) -> FloatArray:
        """Paths with the forward as expectation; the exchange rate's shocks enter where the curve is foreign."""
        paths = self._drivers.price * forward[:, None]
        curve_currency = self.curve.currency if self.curve is not None else local
        if curve_currency == local or self._fx.spot(curve_currency, local) is None:
            return paths
        return paths * self._shock(curve_currency) / self._shock(local)

    def _shock(self, currency: str) -> FloatArray:
        if currency == self._reporting:
            return np.ones_like(self._drivers.price)
        return self._drivers.fx(currency, self._reporting, self.curve.currency if self.curve is not None else "")

    def _to(self, local: str, reporting: str) -> FloatArray:
        rates = [self._fx.forward(local, reporting, float(t)) for t in self._drivers.times]
        return self._shock(local) * np.array(rates, dtype=np.float64)[:, None]

    # kernels, formulas, levies ------------------------------------------------------------------------------

    def _kernel_ratio(
        self, series: str, local: str, spot_cpo: float | None, regions: list[str], flags: set[str]
    ) -> float:
        price = self._latest(f"pk_{series}", regions)
        if price is not None and spot_cpo is not None:
            rate = self._fx.spot(price.currency or local, local)
            if rate is not None:
                return price.value * rate / spot_cpo
        flags.add("price_default")
        return self._assumptions.number("pk.ratio_mean")

    def _indeks_k(self, scheme: str, regions: list[str], age_years: float | None) -> tuple[Formula, float]:
        """Indonesian set price and level of the K index; the age class moves on with the months."""
        a = self._assumptions
        age = a.number("extraction.typical_age_years") if age_years is None else age_years
        rows = [ffb_price.extraction_by_age(a.table(f"extraction.{scheme}"), age + t) for t in self._drivers.times]
        level, shell = self._latest("k_id", regions), self._latest("shell_id", regions)
        k = a.number("k_index.default") if level is None else level.value
        per_t = a.number("indonesia.shell_idr_kg") * 1000.0 if shell is None else shell.value
        months = len(rows)
        terms = np.column_stack([np.array(rows), np.full(months, per_t)])

        def spot(cpo: float, pk: float) -> float:
            now = ffb_price.extraction_by_age(a.table(f"extraction.{scheme}"), age)
            return float(ffb_price.indeks_k(cpo, pk, k=k, oer=now[0], ker=now[1], shell=per_t))

        return Formula(terms, np.tile([1.0, 0.0, 0.0], (months, 1)), spot), k

    def _netback(self, row: Mapping[str, Any], country: str, flags: set[str]) -> Formula:
        """Malaysian netback with the state's taxes of each month."""
        a = self._assumptions
        oer, ker = row.get("oer"), row.get("ker")
        if missing(oer) or missing(ker):
            flags.add("oer_default")
        oer = a.number("extraction.my_oer") if missing(oer) else float(oer)  # type: ignore[arg-type]
        ker = a.number("extraction.my_ker") if missing(ker) else float(ker)  # type: ignore[arg-type]
        places = fiscal.jurisdictions(country, row.get("state"), a)
        rules = (("sales_tax", "cpo"), ("sales_tax", "pk"), ("cess", "cpo"))
        tax_cpo, tax_pk, cess = (self._monthly(schedule, key, places, flags) for schedule, key in rules)
        terms = ffb_price.netback_terms(oer, ker, (tax_cpo, tax_pk), cess, a)
        per_oer = np.column_stack([1 - tax_cpo, np.zeros(len(cess)), -(cess + terms.freight)])
        kernel = ker * (1 - tax_pk)
        rest = np.full(len(cess), -(terms.milling + terms.haulage + terms.margin))
        linear = oer * per_oer + np.column_stack([np.zeros(len(cess)), kernel, rest])

        def spot(cpo: float, pk: float) -> float:
            now = [self._fiscal.value(schedule, key, places, self._as_of) or 0.0 for schedule, key in rules]
            return float(ffb_price.netback(cpo, pk, ffb_price.netback_terms(oer, ker, (now[0], now[1]), now[2], a)))

        return Formula(linear, per_oer, spot)

    def _monthly(self, schedule: str, key: str, places: tuple[str, ...], flags: set[str]) -> FloatArray:
        asked = (schedule, key, places)
        if asked not in self._schedules:
            days = [dt.date(m.year, m.number, 15) for m in self._months]
            values = self._fiscal.series(schedule, key, places, tuple(days))
            told = {"fiscal_missing"} if any(v is None for v in values) else set[str]()
            if any(self._fiscal.held_over(schedule, places, day) for day in days):
                told.add("fiscal_ended")
            self._schedules[asked] = np.array([v or 0.0 for v in values], dtype=np.float64), told
        series, told = self._schedules[asked]
        flags |= told
        return series

    def _windfall_levy(
        self, row: Mapping[str, Any], country: str, flags: set[str]
    ) -> Callable[[FloatArray, Shock], FloatArray]:
        """Levy per t FFB: Malaysia only, none on holdings up to the exempt area."""
        places = fiscal.jurisdictions(country, row.get("state"), self._assumptions)
        threshold = self._fiscal.series(
            "windfall_levy", "threshold_myr_t", places, tuple(dt.date(m.year, m.number, 15) for m in self._months)
        )
        exempt = self._fiscal.value("windfall_levy", "exempt_area_ha", places, self._as_of)
        rate = self._fiscal.value("windfall_levy", "rate", places, self._as_of)
        area = row.get("planted_area_ha")
        small = exempt is not None and not missing(area) and float(area) <= exempt  # type: ignore[arg-type]
        if country != "MY" or small or rate is None or any(v is None for v in threshold):
            return lambda cpo, shock: np.zeros_like(cpo)
        levels = np.array(threshold, dtype=np.float64)[:, None]
        return lambda cpo, shock: fiscal.windfall_levy_per_t(cpo, levels + shock.addition("levy_threshold"), rate)
