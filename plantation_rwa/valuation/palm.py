"""Oil palm as a cash-flow model: harvest and price paths of a plantation to the revenue that a right shares."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.periods import Month
from plantation_rwa.valuation import yield_terms
from plantation_rwa.valuation.cashflows import BASE, Driver, Facts, Revenue, Shock
from plantation_rwa.valuation.defaults import stressed_years
from plantation_rwa.valuation.disasters import mirrored_normals
from plantation_rwa.valuation.drivers import Drivers, Four, yields
from plantation_rwa.valuation.earnings import BentPrice
from plantation_rwa.valuation.measures import quantile_sorted
from plantation_rwa.valuation.plantation_prices import PlantationPrices
from plantation_rwa.valuation.pricing import Pricer
from plantation_rwa.valuation.rights import Right, clipped, missing
from plantation_rwa.valuation.stand import palm_age

FloatArray = NDArray[np.float64]
Row = dict[str, Any]
_QUANTILES = [f"yield_q{q:02d}_t_ha" for q in (5, 10, 25, 50, 75, 90, 95)]
#: what keeps a right from having a value at all: its row says so and its value columns are null, not zero
UNVALUED = frozenset({"no_price", "no_forecast"})
#: shared paths kept at a time: one region with one market
_KEPT = 4


@dataclass(frozen=True)
class Volume:
    """One plantation's harvest on the grid of the drivers.

    Parameters
    ----------
    coefficients
        Of the yield's polynomial times the mature area, t per month, ``(months, OWN + 1)``.
    quantiles
        Published yield quantiles, ``(months, 7)``.
    mean, known, area
        Published mean tonnes, whether there is a forecast, and mature area in ha.
    loadings, ar1, region
        Dependence of the scores.
    """

    coefficients: FloatArray
    quantiles: FloatArray
    mean: FloatArray
    known: NDArray[np.bool_]
    area: FloatArray
    loadings: Four
    ar1: Four
    region: str

    @property
    def shared(self) -> tuple[object, ...]:
        """What the scores that plantations share hang on: not on a plantation's own level."""
        return self.region, self.loadings[:2], self.ar1[:2]


class PalmModel:
    """Cash-flow model of plantations; each result depends on its own plantation only.

    Parameters
    ----------
    drivers, pricer
        Joint paths and the market of the run.
    register, models
        Rows by plantation: register, forecast model.
    forecasts
        Published forecasts.
    """

    def __init__(
        self,
        drivers: Drivers,
        pricer: Pricer,
        assumptions: Assumptions,
        register: Mapping[str, Row],
        models: Mapping[str, Row],
        forecasts: pd.DataFrame,
    ) -> None:
        self._drivers, self._pricer, self._assumptions = drivers, pricer, assumptions
        self._register, self._models = register, models
        self._harvests = _by_plantation(forecasts, drivers)
        self._plantation: tuple[str, PlantationPrices, Volume] | None = None
        self._features: OrderedDict[tuple[Any, ...], FloatArray] = OrderedDict()

    def drivers(self) -> tuple[Driver, ...]:
        """Palm oil, kernel, yield, oil extraction, currency and K index; bumps of domain/valuation.md 3.6."""
        bumps = self._assumptions.table("sensitivity.bumps")
        return tuple(Driver(name, unit, float(bump), bool(absolute)) for name, unit, bump, absolute in bumps)

    def prices(self, plantation_id: str) -> PlantationPrices:
        """Price paths of a plantation."""
        return self._of(plantation_id)[1]

    def volume(self, plantation_id: str) -> Volume:
        """Harvest of a plantation."""
        return self._of(plantation_id)[2]

    def _of(self, plantation_id: str) -> tuple[str, PlantationPrices, Volume]:
        if self._plantation is None or self._plantation[0] != plantation_id:
            row = self._register.get(plantation_id, {})
            age = palm_age(row, self._models.get(plantation_id), self._drivers.as_of)
            prices = self._pricer.plantation(row, age)
            self._plantation = (plantation_id, prices, self._volume(plantation_id))
        return self._plantation

    def _volume(self, plantation_id: str) -> Volume:
        model = self._models.get(plantation_id, {})
        register = self._register.get(plantation_id, {})
        regions = [str(row["region"]) for row in (model, register) if not missing(row.get("region"))]
        region = regions[0] if regions else ""
        found = self._harvests.get(plantation_id)
        if found is None:
            n = self._drivers.months
            nothing, none = np.zeros(n), np.zeros(n, dtype=bool)
            empty = np.zeros((n, yield_terms.OWN + 1))
            return Volume(
                empty, np.zeros((n, 7)), nothing, none, nothing, self._loadings(model), self._ar1(model), region
            )
        quantiles, area, mean = found[:, :7], found[:, 7], found[:, 8]
        known = ~(np.isnan(quantiles).any(axis=1) | np.isnan(area))
        area, quantiles = np.where(known, area, 0.0), np.where(known[:, None], quantiles, 0.0)
        mean = np.where(known, np.nan_to_num(mean), 0.0)
        coefficients = yield_terms.yield_coefficients(quantiles) * area[:, None]
        return Volume(coefficients, quantiles, mean, known, area, self._loadings(model), self._ar1(model), region)

    def _loadings(self, model: Row) -> Four:
        if missing(model.get("loading_own")):
            common, region, own = self._assumptions.table("yield.loadings_default")
            return float(common), float(region), 0.0, float(own)
        share = 0.0 if missing(model.get("level_share")) else float(model["level_share"])
        own = float(model["loading_own"])
        slow, rest = own * math.sqrt(share), own * math.sqrt(1.0 - share)
        return float(model["loading_common"]), float(model["loading_region"]), slow, rest

    def _ar1(self, model: Row) -> Four:
        if missing(model.get("ar1_own")):
            same = self._assumptions.number("yield.ar1_default")
            return same, same, same, same
        own = [float(model["ar1_own"])] * 2
        if not missing(model.get("level_share")):
            own = [float(model["ar1_level"]), float(model["ar1_month"])]
        return float(model["ar1_common"]), float(model["ar1_region"]), own[0], own[1]

    # revenue ------------------------------------------------------------------------------------------------

    def revenue(self, right: Right, shock: Shock = BASE) -> Revenue:
        """Revenue of the right's base with its price floor and cap, reporting currency; see :class:`Revenue`."""
        _, prices, volume = self._of(right.plantation_id)
        prices = prices.under(shock)
        factor = shock.factor("yield", self._drivers.months)
        weights = volume.coefficients * factor[:, None]
        shared = weights[:, : yield_terms.SHARED + 1] * _powers(volume.loadings)
        slopes = {m: prices.slopes_under(shock, self._premium(m)) for m in ("q", "p")}
        linear = right.base == "gross_mill_gate" and right.price_floor is None and right.price_cap is None
        linear = linear and all(prices.stays_positive(s) for s in slopes.values())
        if linear:
            features = self._shared_features(prices, volume)
            q, p = ((s[:, :, None] * shared[:, None, :]).reshape(len(s), -1) for s in slopes.values())
            mean = {m: (s * prices.basis_mean).sum(axis=1) for m, s in slopes.items()}
            real = None
        else:
            scores = self._shared_scores_kept(volume)
            both = {m: self._price(right, prices, m, shock).earned(scores, shared) for m in ("q", "p")}
            features, real = (both[m][0][:, None, :] for m in ("q", "p"))
            mean = {m: average for m, (_, average) in both.items()}
            q = p = np.ones((len(shared), 1))
        covariance = yield_terms.own_covariance(weights, volume.loadings, volume.ar1)
        own = covariance * np.outer(mean["p"], mean["p"])

        def paths(measure: str) -> FloatArray:
            by_tonne = np.zeros((len(factor), yield_terms.SHARED + 1))
            by_tonne[:, 1] = factor
            return self._price(right, prices, measure, shock).earned(
                self._tonnes(right.plantation_id, volume), by_tonne
            )[0]

        rate = prices.exchange(shock) if right.bends else None
        return Revenue(features, q, p, own, prices.paid if linear else None, paths, linear, real, rate)

    def _premium(self, measure: str) -> FloatArray:
        return np.ones(self._drivers.months) if measure == "q" else self._drivers.premium

    def _shared_scores(self, volume: Volume) -> FloatArray:
        return self._drivers.shared_scores(volume.region, volume.loadings[:2], volume.ar1[:2])

    def _shared_scores_kept(self, volume: Volume) -> FloatArray:
        key = ("scores", *volume.shared)
        return self._kept(key, lambda: self._shared_scores(volume))

    def _hermites(self, volume: Volume) -> FloatArray:
        key = ("hermites", *volume.shared)

        def make() -> FloatArray:
            scores = self._shared_scores(volume)
            return np.stack([yield_terms.hermite(k, scores) for k in range(yield_terms.SHARED + 1)], axis=1)

        return self._kept(key, make)

    def _shared_features(self, prices: PlantationPrices, volume: Volume) -> FloatArray:
        key = ("features", prices.key, *volume.shared)

        def make() -> FloatArray:
            basis = prices.basis[:, :, None, :] * self._hermites(volume)[:, None, :, :]
            return np.ascontiguousarray(basis.reshape(basis.shape[0], -1, basis.shape[-1]))

        return self._kept(key, make)

    def _kept(self, key: tuple[Any, ...], make: Any) -> FloatArray:
        if key in self._features:
            self._features.move_to_end(key)
        else:
            self._features[key] = make()
            while len(self._features) > _KEPT:
                self._features.popitem(last=False)
        return self._features[key]

    def _tonnes(self, plantation_id: str, volume: Volume) -> FloatArray:
        scores = self._drivers.yield_scores(plantation_id, volume.region, volume.loadings, volume.ar1)
        return yields(scores, np.where(volume.known[:, None], volume.quantiles, np.nan)) * volume.area[:, None]

    def _price(self, right: Right, prices: PlantationPrices, measure: str, shock: Shock) -> BentPrice:
        """Price of the right's base per t FFB within its floor and cap."""
        premium = self._premium(measure)
        charges: FloatArray | None = None
        if right.base != "gross_mill_gate":
            charges = prices.levy_per_t(prices.oil(premium, shock), shock)
            if right.base == "net_operating":
                charges = charges + self._field_cost(prices.currency, shock)[:, None]
        return BentPrice(
            basis=prices.basis,
            terms=prices.terms_under(shock),
            factors=prices.factors_under(shock, premium),
            mixer=None if isinstance(prices.mixer, float) else prices.mixer,
            rate=None if isinstance(prices.rate, float) else prices.rate,
            paid=prices.paid,
            low=float(clipped(right.price_floor, -np.inf)),
            high=float(clipped(right.price_cap, np.inf)),
            on_oil=right.price_basis == "cpo",
            charges=charges,
            exchange=prices.exchange_under(shock),
        )

    def _field_cost(self, currency: str, shock: Shock) -> FloatArray:
        cost = float(self._assumptions.table("costs.field_cost_per_t")[currency])
        inflation = (1 + self._assumptions.number("costs.inflation")) ** self._drivers.times
        return np.asarray(cost * inflation * shock.factor("cost", self._drivers.months))

    # what stands beside -------------------------------------------------------------------------------------

    def facts(self, right: Right) -> Facts:
        """Flags, price sources, volumes; see :class:`Facts`."""
        _, prices, volume = self._of(right.plantation_id)
        flags = set(prices.flags)
        term = right.months(self._drivers.as_of)
        first = Month.of(self._drivers.as_of) + 1
        known = [bool(volume.known[m - first]) for m in term]
        if known and not any(known):
            flags.add("no_forecast")
        elif not all(known):
            flags.add("forecast_short")
        if any(k and volume.area[m - first] == 0 for k, m in zip(known, term, strict=True)):
            flags.add("immature")
        row = self._register.get(right.plantation_id, {})
        age = palm_age(row, self._models.get(right.plantation_id), self._drivers.as_of)
        years = (term[-1] - first + 1) / 12.0 if term else 0.0
        if term and age is not None and age + years > self._assumptions.number("extraction.replant_age_years"):
            flags.add("over_age")
        return Facts(
            currency=prices.currency,
            reporting=prices.reporting,
            flags=frozenset(flags),
            unvalued=bool(flags & UNVALUED),
            sources=prices.sources,
            levels=prices.levels,
            volume=volume.mean,
            known=volume.known,
            spot=prices.spot,
            width=self._width(right.plantation_id, volume),
            price_level=prices.forward,
            price_driver="cpo",
            volume_driver="yield",
        )

    def _width(self, plantation_id: str, volume: Volume) -> float | None:
        """(q90 - q10) / mean of the first year's tonnes under the shared scores and the own noise."""
        first = volume.coefficients[:12]
        mean = float(first[:, 0].sum())
        if mean <= 0:
            return None
        shared = (first[:, : yield_terms.SHARED + 1] * _powers(volume.loadings))[:, :, None]
        year = np.zeros(self._drivers.paths)
        for row in (shared * self._hermites(volume)[:12]).sum(axis=1):
            year += row
        own = yield_terms.own_covariance(first, volume.loadings, volume.ar1).sum()
        year += np.sqrt(max(float(own), 0.0)) * mirrored_normals(
            self._drivers.seed, "own_noise", plantation_id, self._drivers.paths
        )
        ordered = np.sort(year)
        return float(quantile_sorted(ordered, 0.9) - quantile_sorted(ordered, 0.1)) / mean

    def hardship(self, shock: Shock, measure: str) -> NDArray[np.bool_]:
        """Years in which an average Malaysian estate cannot cover its payments; nowhere without a palm oil price."""
        reference = self._pricer.reference
        if reference is None:
            return np.zeros((self._drivers.months, self._drivers.paths), dtype=np.bool_)
        premium = self._premium(measure)
        cpo = reference.oil(premium, shock)
        price = reference.per_t(cpo, reference.kernel(premium, shock), shock)
        charges = reference.levy_per_t(cpo, shock) + self._field_cost("MYR", shock)[:, None]
        return stressed_years(price, charges, self._assumptions.number("credit.reference_share"))


def _powers(loadings: Four) -> FloatArray:
    """``a^k`` for the polynomials of the shared score, a its share of the whole score."""
    a = float(np.hypot(loadings[0], loadings[1]))
    return np.array([a**k for k in range(yield_terms.SHARED + 1)])


def _by_plantation(forecasts: pd.DataFrame, drivers: Drivers) -> dict[str, FloatArray]:
    """Quantiles, mature area and mean tonnes on the grid, ``(months, 9)`` by plantation; NaN where there is no row."""
    rows = forecasts.drop_duplicates(["plantation_id", "target_month"])
    codes, names = pd.factorize(rows["plantation_id"], sort=True)
    first = Month.of(drivers.as_of) + 1
    texts, labels = pd.factorize(rows["target_month"])
    at = np.array([Month.parse(str(label)) - first for label in labels], dtype=np.int64)[texts]
    inside = (at >= 0) & (at < drivers.months)
    values = rows[[*_QUANTILES, "area_mature_ha", "ffb_mean_t"]].to_numpy(dtype=np.float64)
    table = np.full((len(names), drivers.months, values.shape[1]), np.nan)
    table[codes[inside], at[inside]] = values[inside]
    return {str(name): table[i] for i, name in enumerate(names)}
