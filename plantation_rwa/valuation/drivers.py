"""Joint random drivers of a run: price, ENSO, kernel ratio, exchange rates, K index, yield factors.

Every driver has its own Philox stream and is drawn month by month, so the first months of a longer run
equal those of a shorter one, and no right's numbers depend on which others are valued with it. The second
half of the paths is the antithetic mirror of the first, in all drivers at once.
"""

from __future__ import annotations

import datetime as dt
import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from plantation_rwa import distributions
from plantation_rwa.assumptions import Assumptions
from plantation_rwa.periods import Month, year_fraction
from plantation_rwa.streams import stream
from plantation_rwa.valuation.correlation import NAMES, Correlation
from plantation_rwa.valuation.schwartz_smith import SchwartzSmith

FloatArray = NDArray[np.float64]
#: of the common, the regional, the slow and the monthly own factor of yields
Four = tuple[float, float, float, float]


def month_times(as_of: dt.date, months: int) -> FloatArray:
    """Years (ACT/365F) from ``as_of`` to the 15th of each following month, shape ``(months,)``."""
    first = Month.of(as_of) + 1
    days = [first + i for i in range(months)]
    return np.array([year_fraction(as_of, dt.date(m.year, m.number, 15)) for m in days])


def antithetic(seed: int, driver: str, key: str, months: int, paths: int, factors: int = 1) -> FloatArray:
    """Standard normals of one stream, shape ``(months, factors, paths)``; the second half mirrors the first."""
    half = (paths + 1) // 2
    draws = stream(seed, driver, key).standard_normal((months, factors, half))
    return np.ascontiguousarray(np.concatenate([draws, -draws], axis=-1)[..., :paths])


def autoregressive(innovations: FloatArray, coefficient: float) -> FloatArray:
    """Stationary AR(1) of unit variance from standard normal innovations, shape ``(months, paths)``."""
    out = np.empty_like(innovations)
    scale = math.sqrt(max(1.0 - coefficient * coefficient, 0.0))
    for i in range(innovations.shape[0]):
        out[i] = innovations[i] if i == 0 else coefficient * out[i - 1] + scale * innovations[i]
    return out


class Drivers:
    """Shared drivers, drawn once per run, and the plantations' own ones, drawn on demand.

    Parameters
    ----------
    seed
        Run seed.
    as_of
        Valuation date; month index 0 is the month after it.
    months
        Months to draw.
    paths
        Joint paths.
    assumptions
        Sections ``drivers``, ``pk``, ``fx``, ``k_index``, ``yield``.
    model
        Price model; None for the prior of the section ``price_model``.
    """

    def __init__(
        self,
        seed: int,
        as_of: dt.date,
        months: int,
        paths: int,
        assumptions: Assumptions,
        model: SchwartzSmith | None = None,
    ) -> None:
        self.seed, self.as_of, self.months, self.paths = seed, as_of, months, paths
        self.assumptions = assumptions
        self.times = month_times(as_of, months)
        self.model = model or SchwartzSmith.prior(assumptions)
        self.correlation = driver_correlation(assumptions)
        self._fx: dict[str, FloatArray] = {}
        self._region: tuple[str, FloatArray] | None = None

    @cached_property
    def _price(self) -> tuple[FloatArray, FloatArray]:
        log_price, shocks = self.model.simulate(self.times, self._draw("price", factors=2))
        variance = np.array([self.model.log_variance(float(t)) for t in self.times])
        return np.exp(log_price - 0.5 * variance[:, None]), shocks

    @property
    def price(self) -> FloatArray:
        """Price over forward under the pricing measure: positive, expectation exactly 1, ``(months, paths)``."""
        return self._price[0]

    @cached_property
    def premium(self) -> FloatArray:
        """Real-world over pricing-measure price per month, ``(months,)``."""
        return np.array([self.model.premium(float(t)) for t in self.times])

    @cached_property
    def kernel(self) -> FloatArray:
        """Kernel ratio over its expectation, ``(months, paths)``: exponential of a log-OU deviation from zero."""
        kappa, sigma = self.assumptions.number("pk.kappa"), self.assumptions.number("pk.sigma")
        normals = self._shock("pk")
        out, deviation, before = np.empty_like(normals), np.zeros(self.paths), 0.0
        for i, t in enumerate(self.times.tolist()):
            step = sigma * math.sqrt(-math.expm1(-2 * kappa * (t - before)) / (2 * kappa))
            deviation = math.exp(-kappa * (t - before)) * deviation + step * normals[i]
            variance = sigma**2 * -math.expm1(-2 * kappa * t) / (2 * kappa)
            out[i] = np.exp(deviation - 0.5 * variance)
            before = t
        return out

    def kernel_mean(self, ratio: float) -> FloatArray:
        """Expected kernel ratio per month: from today's ratio back to the long-run one, ``(months,)``."""
        fade = np.exp(-self.assumptions.number("pk.kappa") * self.times)
        target = math.log(self.assumptions.number("pk.ratio_mean"))
        return np.asarray(np.exp(fade * math.log(ratio) + (1 - fade) * target))

    def k_index(self, level: float) -> FloatArray:
        """K index around today's level, within its published range, ``(months, paths)``."""
        lower, upper = self.assumptions.number("k_index.lower"), self.assumptions.number("k_index.upper")
        return np.clip(level + self.assumptions.number("k_index.sd") * self._k_normals, lower, upper)

    @cached_property
    def _k_normals(self) -> FloatArray:
        return np.ascontiguousarray(self._draw("k_index")[:, 0])

    def fx(self, currency: str, reporting: str, priced: str = "") -> FloatArray:
        """Exchange rate over its forward, reporting per local currency: lognormal, expectation exactly 1.

        Parameters
        ----------
        priced
            Currency of the futures curve: a rate into or out of it moves with the palm oil price.
        """
        key, side = f"{currency}/{reporting}", int(priced == reporting) - int(priced == currency)
        if key not in self._fx:
            vol, own = self.assumptions.number("fx.vol"), self._draw("fx", key)[:, 0]
            normals = side * self._shock("fx", own) if side else own
            steps = np.sqrt(np.diff(self.times, prepend=0.0))
            walk = np.cumsum(vol * steps[:, None] * normals, axis=0)
            self._fx[key] = np.exp(walk - 0.5 * vol**2 * self.times[:, None])
        return self._fx[key]

    def _shock(self, name: str, own: FloatArray | None = None) -> FloatArray:
        """Standard normals of a shared driver, correlated with those drawn before it, ``(months, paths)``."""
        weights = self.correlation.weights(name)
        out: FloatArray = weights[-1] * (self._independent(name) if own is None else own)
        for weight, other in zip(weights[:-1], NAMES, strict=False):
            if weight != 0.0:
                out += weight * self._independent(other)
        return out

    def _independent(self, name: str) -> FloatArray:
        """The driver's own normals; of palm oil the standardised shock of its log price."""
        if name == "cpo":
            return self._price[1]
        if name == "enso":
            return self._enso[self._lag :]
        return self._draw({"yield": "yield_common"}.get(name, name))[:, 0]

    def realised(self, plantation_id: str) -> FloatArray:
        """What a mill pays this plantation over the formula's price, expectation 1 and for all months, ``(paths,)``."""
        sd = self.assumptions.number("farm_gate.realised_sd")
        normals = antithetic(self.seed, "realised", plantation_id, 1, self.paths)[0, 0]
        return np.asarray(np.exp(sd * normals - 0.5 * sd * sd))

    @property
    def _lag(self) -> int:
        return int(self.assumptions.number("drivers.enso_lag_months"))

    @cached_property
    def _enso(self) -> FloatArray:
        """Independent ENSO normals from the lag before the valuation date on, ``(lag + months, paths)``."""
        return antithetic(self.seed, "enso", "", self._lag + self.months, self.paths)[:, 0]

    @cached_property
    def _common(self) -> FloatArray:
        """Innovations of the common yield factor: ENSO of some months before, and what it does not explain."""
        link = self.assumptions.number("drivers.enso_link")
        return link * self._enso[: self.months] + math.sqrt(1 - link * link) * self._shock("yield")

    def _regional(self, region: str) -> FloatArray:
        if self._region is None or self._region[0] != region:
            self._region = (region, self._draw("yield_region", region)[:, 0])
        return self._region[1]

    def yield_scores(self, plantation_id: str, region: str, loadings: Four, ar1: Four) -> FloatArray:
        """Normal scores of a plantation's monthly yields, ``(months, paths)``.

        ``z = lc C_t + lr R_t + ll L_t + lo O_t``, each factor AR(1) with unit variance; the common factor's innovation
        is correlated with the price shock of the month. Loadings and coefficients are (common, region, own level, rest
        of the own shock).
        """
        scores = np.zeros((self.months, self.paths))
        for k, (loading, coefficient) in enumerate(zip(loadings, ar1, strict=True)):
            if loading != 0.0:
                scores += loading * autoregressive(self._innovations(k, plantation_id, region), coefficient)
        return scores

    def _innovations(self, factor: int, plantation_id: str, region: str) -> FloatArray:
        if factor < 2:
            return self._regional(region) if factor else self._common
        return self._draw(("yield_level", "yield_own")[factor - 2], plantation_id)[:, 0]

    def shared_scores(self, region: str, loadings: tuple[float, float], ar1: tuple[float, float]) -> FloatArray:
        """The common and regional part of :meth:`yield_scores`, scaled to unit variance, ``(months, paths)``."""
        size = math.hypot(*loadings)
        scores = np.zeros((self.months, self.paths))
        if size > 0:
            for noise, loading, coefficient in zip((self._common, self._regional(region)), loadings, ar1, strict=True):
                scores += loading / size * autoregressive(noise, coefficient)
        return scores

    def _draw(self, driver: str, key: str = "", factors: int = 1) -> FloatArray:
        return antithetic(self.seed, driver, key, self.months, self.paths, factors)


def driver_correlation(assumptions: Assumptions) -> Correlation:
    """Correlation of the month's shocks, made valid where the assumptions contradict each other.

    The entry of palm oil and yield is that of the part of the common yield shock that ENSO does not explain: the
    price is correlated with the whole of it as assumed.
    """
    link = assumptions.number("drivers.enso_link")
    rest = math.sqrt(1 - link * link)
    wanted = assumptions.number("yield.price_correlation") / rest
    pairs = {str(k): float(v) for k, v in assumptions.table("drivers.correlation").items()}
    return Correlation.of({**pairs, "cpo-yield": min(max(wanted, -1.0), 1.0)})


def yields(scores: FloatArray, quantiles: FloatArray) -> FloatArray:
    """Yield paths: the published quantile function of each month at the probability of its normal score.

    Parameters
    ----------
    scores
        Shape ``(months, paths)``.
    quantiles
        Shape ``(months, 7)`` at ``distributions.PROBABILITIES``; NaN rows (no forecast) give zero yield.

    Returns
    -------
    ndarray
        Shape ``(months, paths)``, t per ha of mature area and month.
    """
    out = np.zeros_like(scores)
    for i, row in enumerate(quantiles):
        if not np.isnan(row).any():
            out[i] = distributions.quantile_values(ndtr(scores[i]), row)
    return out
