"""Does a forecast know what it could not know? Detectors that speak up when it does, and prove that they would."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from plantation_rwa.forecast.agronomy import FloatArray
from plantation_rwa.forecast.backtest import ANNUAL, Origin, with_observed
from plantation_rwa.forecast.scores import BLOCK_MONTHS, BOOTSTRAPS
from plantation_rwa.periods import Month
from plantation_rwa.streams import stream

PASSED, FIRED, UNTESTED = "passed", "fired", "not tested"
FUTURE, SHUFFLED, TRUNCATED = "harvest_in_features", "shuffled_harvests", "truncated_future"
#: |r| from which a feature counts as a copy of harvests to come: over a region and over one plantation
COPY_R, COPY_R_ALONE = 0.90, 0.95
#: pairs of months that such a correlation needs
MIN_PAIRS = 24
#: harvests of a calendar month that an anomaly, or a spread, needs
MIN_YEARS = 3
#: months ahead that are looked at
LEADS = 12
#: one-sided level at which skill on shuffled harvests counts as real
LEVEL = 0.99
_NOT_FEATURES = frozenset(
    ("plantation_id", "month", "region", "features_known_at", "harvest_known_at", "ffb_t", "area_mature_ha")
) | {"yield_t_ha", "age_mean_years"}
_PLANTED = "a planted copy of the next month's harvest"


@dataclass(frozen=True)
class Verdict:
    """What a detector found.

    Parameters
    ----------
    outcome
        ``passed``, ``fired`` or ``not tested``.
    value, limit
        The figure that decides and the limit it must not pass, in the unit that ``detail`` names.
    detail
        One sentence for people.
    """

    check: str
    outcome: str
    value: float
    limit: float
    detail: str


def harvest_in_features(panel: pd.DataFrame) -> Verdict:
    """Whether a feature copies a harvest that was not yet known when the feature was.

    Feature and harvest are taken as departures from the plantation's mean of the calendar month. A correlation of
    0.9 over the portfolio or a region, or of 0.95 over one plantation, between a feature and a harvest of the same or
    a later month whose ``known_at`` is later than the feature's, is no agronomy. To show that it would be found, a
    copy of the next month's harvest is planted among the features and looked for too.

    Parameters
    ----------
    panel
        Result of ``build_panel``.
    """
    names = [c for c in panel.columns if c not in _NOT_FEATURES and pd.api.types.is_numeric_dtype(panel[c])]
    planted = panel.groupby("plantation_id")["yield_t_ha"].shift(-1)
    table = _Anomalies(panel.assign(**{_PLANTED: planted}), [*names, _PLANTED])
    found = table.closest(_PLANTED)
    if found is None or abs(found.r) < found.limit:
        detail = f"fewer than {MIN_YEARS} harvests of a calendar month, or {MIN_PAIRS} pairs: a copy would go unseen"
        return Verdict(FUTURE, UNTESTED, np.nan, COPY_R, detail)
    closest = [c for c in (table.closest(name) for name in names) if c is not None]
    if not closest:
        return Verdict(FUTURE, UNTESTED, np.nan, COPY_R, "no feature holds values beside later harvests")
    worst = max(closest, key=lambda c: (abs(c.r) - c.limit, c.name))
    ahead = "the same month" if worst.lead == 0 else f"{worst.lead} month{'s' if worst.lead > 1 else ''} later"
    said = f"{worst.name} and the harvest of {ahead}, not yet known then: r = {worst.r:.2f} over {worst.pairs} pairs"
    said += f" ({worst.place})"
    if abs(worst.r) >= worst.limit:
        return Verdict(FUTURE, FIRED, abs(worst.r), worst.limit, said)
    said = f"closest of {len(closest)} features: {said}; a planted copy gave {found.r:.2f}"
    return Verdict(FUTURE, PASSED, abs(worst.r), worst.limit, said)


@dataclass(frozen=True)
class _Closest:
    name: str
    place: str
    lead: int
    r: float
    pairs: int
    limit: float


class _Anomalies:
    """Departures of features and harvests from the plantation's calendar month, ``(P, T)``."""

    def __init__(self, panel: pd.DataFrame, names: Sequence[str]) -> None:
        rows = panel.sort_values(["plantation_id", "month"], kind="stable")
        self.ids = sorted(rows["plantation_id"].unique())
        shape = (len(self.ids), rows["month"].nunique())
        regions = rows.drop_duplicates("plantation_id")["region"].fillna("").astype(str).to_numpy(dtype=object)
        calendar = rows["month"].str.slice(5, 7).astype(int).to_numpy().reshape(shape)[0]
        self.harvest = _departures(rows["yield_t_ha"].to_numpy(np.float64).reshape(shape), calendar)
        self.features = {n: _departures(rows[n].to_numpy(np.float64).reshape(shape), calendar) for n in names}
        self.known, self.told = (
            pd.to_datetime(rows[column], utc=True).dt.as_unit("us").astype("int64").to_numpy().reshape(shape)
            for column in ("features_known_at", "harvest_known_at")
        )
        self.places = [("all plantations", np.ones(shape[0], dtype=bool), COPY_R)]
        self.places += [(f"region {r}", regions == r, COPY_R) for r in sorted(set(regions)) if (regions == r).sum() > 1]
        self.places += [(str(p), np.arange(shape[0]) == i, COPY_R_ALONE) for i, p in enumerate(self.ids)]

    def closest(self, name: str) -> _Closest | None:
        """The place and lead where a feature comes closest to a copy of harvests it could not know."""
        best: _Closest | None = None
        feature, months = self.features[name], self.harvest.shape[1]
        for lead in range(min(LEADS, months - 1) + 1):
            x, y = feature[:, : months - lead], self.harvest[:, lead:]
            ahead = self.told[:, lead:] > self.known[:, : months - lead]
            use = np.isfinite(x) & np.isfinite(y) & (ahead if name != _PLANTED else True)
            x, y = np.where(use, x, 0.0), np.where(use, y, 0.0)
            sums = np.stack([use.sum(axis=1), (x * y).sum(axis=1), (x * x).sum(axis=1), (y * y).sum(axis=1)])
            for place, chosen, limit in self.places:
                pairs, xy, xx, yy = sums[:, chosen].sum(axis=1)
                if pairs >= MIN_PAIRS and xx > 0 and yy > 0:
                    r = float(xy / np.sqrt(xx * yy))
                    if best is None or abs(r) - limit > abs(best.r) - best.limit + 1e-12:
                        best = _Closest(name, place, lead, r, int(pairs), limit)
        return best


def _departures(values: FloatArray, calendar: np.ndarray) -> FloatArray:
    out = np.full(values.shape, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for month in range(1, 13):
            columns = calendar == month
            own = values[:, columns]
            enough = np.isfinite(own).sum(axis=1, keepdims=True) >= MIN_YEARS
            out[:, columns] = np.where(enough, own - np.nanmean(own, axis=1, keepdims=True), np.nan)
    return out


def shuffled_harvests(panel: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Harvests dealt anew among the years of a plantation's calendar month: level and season stay, the order goes.

    Parameters
    ----------
    panel
        Panel of the newest date.

    Returns
    -------
    pandas.DataFrame
        ``plantation_id, month, yield_t_ha``, and ``variance``: the unbiased variance of the calendar month's harvests
        (NaN under three years). No forecast of an order that is drawn can have a smaller expected squared error.
    """
    rows = panel.loc[np.isfinite(panel["yield_t_ha"]), ["plantation_id", "month", "yield_t_ha"]]
    rows = rows.sort_values(["plantation_id", "month"], kind="stable").reset_index(drop=True)
    values = rows["yield_t_ha"].to_numpy(np.float64)
    dealt, variance = values.copy(), np.full(len(values), np.nan)
    cells = rows.groupby(["plantation_id", rows["month"].str.slice(5, 7)], sort=True).indices
    for (plantation, month), index in cells.items():
        dealt[index] = values[index][stream(seed, "shuffle", f"{plantation}|{month}").permutation(len(index))]
        if len(index) >= MIN_YEARS:
            variance[index] = values[index].var(ddof=1)
    return rows.assign(yield_t_ha=dealt, variance=variance)


def with_harvests(origin: Origin, dealt: pd.DataFrame) -> Origin:
    """The origin with the shuffled harvests in the months whose harvest was known then."""
    at = origin.panel[["plantation_id", "month"]].merge(dealt, on=["plantation_id", "month"], how="left")
    known = np.isfinite(origin.panel["yield_t_ha"].to_numpy(np.float64))
    harvest = np.where(known, at["yield_t_ha"].to_numpy(np.float64), np.nan)
    panel = origin.panel.assign(yield_t_ha=harvest, ffb_t=harvest * origin.panel["area_mature_ha"].to_numpy(np.float64))
    return replace(origin, panel=panel)


def skill_on_shuffled(told: pd.DataFrame, dealt: pd.DataFrame, seed: int) -> Verdict:
    """Whether the model forecasts an order of harvests that was drawn.

    Skill = 1 - sum of squared errors / sum of the calendar months' variances. It is zero at best for a forecast that
    does not see what it forecasts, and below zero by what it has to estimate; fired if it is above zero at the 99 %
    level (one-sided, blocks of a plantation's twelve months).

    Parameters
    ----------
    told
        Forecasts of the model at origins from :func:`with_harvests`.
    dealt
        Result of :func:`shuffled_harvests`.
    """
    rows = with_observed(told[(told["model"] == "model") & (told["horizon"] != ANNUAL)], dealt)
    rows = rows.merge(
        dealt[["plantation_id", "month", "variance"]].rename(columns={"month": "target_month"}),
        on=["plantation_id", "target_month"],
        how="left",
    )
    rows = rows[np.isfinite(rows["observed"]) & (rows["variance"] > 0)]
    rows = rows.sort_values(["plantation_id", "target_month", "origin"], kind="stable")
    if len(rows) < MIN_PAIRS:
        detail = f"{len(rows)} forecasts of calendar months with {MIN_YEARS} harvests: too few"
        return Verdict(SHUFFLED, UNTESTED, np.nan, 0.0, detail)
    ordinals = np.array([Month.parse(m).ordinal for m in rows["target_month"]])
    _, block = np.unique(rows["plantation_id"] + "|" + (ordinals // BLOCK_MONTHS).astype(str), return_inverse=True)
    sums = np.zeros((int(block.max()) + 1, 2))
    np.add.at(sums, block, np.stack([(rows["mean"] - rows["observed"]) ** 2, rows["variance"]], axis=1))
    drawn = stream(seed, "shuffle_bootstrap").integers(0, len(sums), (BOOTSTRAPS, len(sums)))
    again = sums[drawn].sum(axis=1)
    skill = float(1.0 - sums[:, 0].sum() / sums[:, 1].sum())
    low = float(np.quantile(1.0 - again[:, 0] / again[:, 1], 1.0 - LEVEL))
    said = f"skill on harvests in drawn order {skill:.2f} (above {low:.2f} at {LEVEL:.0%}; honest is 0 or less), "
    said += f"{len(rows)} forecasts"
    return Verdict(SHUFFLED, FIRED if low > 0 else PASSED, low, 0.0, said)


def same_to_the_bit(whole: pd.DataFrame, cut: pd.DataFrame, origin: str, removed: int) -> Verdict:
    """Whether forecasts at an origin are the same with and without the inputs that came after it.

    Parameters
    ----------
    whole, cut
        Results of :func:`plantation_rwa.forecast.backtest.predict` from all inputs, and from those up to the origin.
    removed
        Records that were taken away; none proves nothing.
    """
    if not removed:
        return Verdict(TRUNCATED, UNTESTED, np.nan, 0.0, f"no input holds anything after {origin}")
    if list(whole.columns) != list(cut.columns) or len(whole) != len(cut):
        said = f"{len(whole)} forecasts at {origin} from all inputs, {len(cut)} from those up to it"
        return Verdict(TRUNCATED, FIRED, float(abs(len(whole) - len(cut))), 0.0, said)
    differs = np.zeros(len(whole), dtype=bool)
    for name in whole.columns:
        a, b = whole[name].to_numpy(), cut[name].to_numpy()
        if pd.api.types.is_float_dtype(whole[name]):
            differs |= a.view(np.int64) != b.view(np.int64)
        else:
            differs |= a.astype(str) != b.astype(str)
    count = int(differs.sum())
    if count:
        first = whole[differs].iloc[0]
        said = f"{count} of {len(whole)} forecasts at {origin} change with inputs that came later; first "
        said += f"{first['plantation_id']} {first['target_month']} ({first['model']})"
        return Verdict(TRUNCATED, FIRED, float(count), 0.0, said)
    said = f"{len(whole)} forecasts at {origin} are the same to the last bit without the {removed} records after it"
    return Verdict(TRUNCATED, PASSED, 0.0, 0.0, said)
