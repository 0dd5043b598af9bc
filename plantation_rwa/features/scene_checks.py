"""Whether a scene's claimed offset and its air are believable, by the plantation's own pixels and history."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import pandas as pd

from plantation_rwa.assumptions import Assumptions

#: offsets in digital numbers that Sentinel-2 L2A products carry, each with the one a wrong claim stands for
OTHER_OFFSET = {-1000.0: 0.0, 0.0: -1000.0}


@dataclass(frozen=True)
class Rules:
    """Limits of the checks; reflectances and indices as fractions, see ``imagery.*`` of the assumptions."""

    removed_red: float
    removed_share: float
    removed_red_median: float
    missing_red_median: float
    missing_ndvi: float
    missing_history_ndvi: float
    missing_history_months: float
    missing_infrared_rise: float
    missing_other_ndvi: float
    missing_other_blue: float
    missing_other_swir: float
    bands_ndvi_min: float
    bands_infrared_min: float
    bands_infrared_max: float
    haze_blue: float
    haze_history_months: float
    haze_clean_quantile: float
    haze_soil_slope: float
    haze_ndvi_drop: float
    haze_recovery_share: float
    min_pixels: float
    min_history: float

    @classmethod
    def of(cls, assumptions: Assumptions) -> Rules:
        """The rules as the configuration resolves them."""
        return cls(**{f.name: assumptions.number(f"imagery.{f.name}") for f in fields(cls)})


@dataclass(frozen=True)
class Figures:
    """What vegetation pixels of one scene say under one offset.

    ``red_share`` is the covered share with B04 below ``removed_red``; the others are coverage-weighted medians of
    B04, B02, NDVI and B12. NaN where a band or every pixel is missing.
    """

    red_share: float
    red: float
    blue: float
    ndvi: float
    swir: float = float("nan")

    @property
    def infrared(self) -> float:
        """B08 that goes with the median red and the median NDVI; NaN where either is impossible."""
        return self.red * (1 + self.ndvi) / (1 - self.ndvi) if self.ndvi < 1 else float("nan")


NO_FIGURES = Figures(*[float("nan")] * 5)


@dataclass(frozen=True)
class SceneRecord:
    """One scene over one plantation, free of any history.

    Parameters
    ----------
    offset
        Offset in digital numbers as the provider's metadata claim it.
    pixels
        Effective pixels (sum of covered fractions) of class vegetation that are clear and supplied by this scene.
    claimed, other
        Figures under the claimed offset and under the other one that such products can carry.
    classified
        Whether the scene has a classification; without one vegetation cannot be told from cloud.
    """

    scene_id: str
    datatake: str
    acquired: pd.Timestamp
    offset: float
    pixels: float = 0.0
    claimed: Figures = NO_FIGURES
    other: Figures = NO_FIGURES
    classified: bool = True


@dataclass(frozen=True)
class Verdict:
    """What is made of a scene.

    Parameters
    ----------
    offset
        Offset to apply, digital numbers.
    offset_check
        ``plausible``, ``already_removed`` and ``missing`` (both corrected), or why the claim was believed untested:
        ``few_pixels``, ``no_classification``, ``no_history``, ``unknown_offset``.
    air
        ``clear``, ``haze`` or ``ndvi_drop`` (both left out), ``unclassified`` (left out: a scene without classification
        beside others that have one), or ``not_tested``.
    bands
        ``plausible`` (also where nothing could be judged), ``negative_ndvi`` or ``infrared_out_of_range`` (both left
        out): what vegetation shows under the offset to apply is no vegetation, so the files are not what the item says.
    """

    offset: float
    offset_check: str
    air: str = "not_tested"
    bands: str = "plausible"

    @property
    def inferred(self) -> bool:
        """Whether the pixels overruled the provider's claim."""
        return self.offset_check in {"already_removed", "missing"}

    @property
    def used(self) -> bool:
        """Whether the observation enters the month."""
        return self.bands == "plausible" and self.air not in {"haze", "ndvi_drop", "unclassified"}


class _Seen(NamedTuple):
    """One datatake of the timeline with the pixel-weighted means of its scenes' corrected medians."""

    datatake: str
    time: pd.Timestamp
    red: float
    blue: float
    ndvi: float
    infrared: float


def judge(month: Sequence[SceneRecord], history: Sequence[SceneRecord], rules: Rules) -> list[Verdict]:
    """Verdicts on the scenes of a month.

    Offset (domain/yield.md 2.4): dark red under a claim of -1000 means that the offset was already removed. Bright
    red and low NDVI under a claim of 0 mean that it was not, if the other offset leaves green vegetation that is
    possible in every band: haze, whose B12 stays dark, and dry ground, whose B02 does, would have less than nothing.
    Where that does not decide, the plantation's last twelve months do: they were green, and B08 has risen with the
    red; an offset lifts every band by 0.1, a veil of haze leaves the bright infrared of palms as it is.
    Bands: vegetation whose NDVI is negative has its red and infrared exchanged; one whose B08 is darker or brighter
    than any plant is in another unit. Such a scene is no part of the past either.
    Air (2.3): B02 lies above the plantation's own clean level of the last 24 months by more than the ground can have
    brightened: soil, cleared or replanted land lift B04 twice as much as B02, haze lifts B02 at least as much. Or NDVI
    drops, and either such a veil explains it or the next observation takes it back. Everything looks back only, but
    for that next observation, which must lie in the same month: so a month depends on its own and earlier scenes, and
    a fall of NDVI that is neither explained nor taken back is land. Observations left out as haze stay in the history:
    its clean level is a low quantile, which bears them.

    Parameters
    ----------
    month
        Scenes of one plantation and month, any order.
    history
        Earlier scenes; only those within the rules' windows count. Their verdicts are formed anew, so that the result
        depends on these records and nothing else.
    rules
        Limits.

    Returns
    -------
    list of Verdict
        In the order of ``month``; the classified scenes of one datatake share ``air``.
    """
    timeline: list[_Seen] = []
    offsets: dict[int, Verdict] = {}
    own = {id(r) for r in month}
    for group in _datatakes([*history, *month]):
        verdicts = [_single(record, group[0].acquired, timeline, rules) for record in group]
        offsets |= {id(r): v for r, v in zip(group, verdicts, strict=True) if id(r) in own}
        sound = [(r, v) for r, v in zip(group, verdicts, strict=True) if v.bands == "plausible"]
        if not sound:
            continue
        group, verdicts = [r for r, _ in sound], [v for _, v in sound]
        seen = _seen(group, verdicts)
        if sum(r.pixels for r in group) >= rules.min_pixels and not math.isnan(seen.ndvi):
            timeline.append(seen)
    air = _air(timeline, {r.datatake for r in month}, rules)
    # cloud would count as ground where one scene lacks what the source otherwise has
    classified = any(r.classified for r in [*history, *month])
    found = []
    for record in month:
        verdict = offsets[id(record)]
        state = air.get(record.datatake, "not_tested") if record.classified or not classified else "unclassified"
        found.append(replace(verdict, air=state))
    return found


def _datatakes(records: Sequence[SceneRecord]) -> list[list[SceneRecord]]:
    """Records by datatake, in order of time; a datatake counts once however many scenes hold it."""
    groups: dict[str, list[SceneRecord]] = {}
    for record in sorted(records, key=lambda r: (r.acquired, r.datatake, r.scene_id)):
        groups.setdefault(record.datatake, []).append(record)
    return list(groups.values())


# the checks of one month look at two years of scenes: for so few numbers each plain arithmetic is ten times faster than
# arrays


def _seen(group: Sequence[SceneRecord], verdicts: Sequence[Verdict]) -> _Seen:
    """One datatake under its verdicts."""
    figures = [r.other if v.inferred else r.claimed for r, v in zip(group, verdicts, strict=True)]
    head = group[0]
    if len(group) == 1:  # nearly all of them
        (only,) = figures
        return _Seen(head.datatake, head.acquired, only.red, only.blue, only.ndvi, only.infrared)
    pixels = [r.pixels for r in group]
    means = [_mean([getattr(f, n) for f in figures], pixels) for n in ("red", "blue", "ndvi", "infrared")]
    return _Seen(head.datatake, head.acquired, *means)


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    known = [(v, w) for v, w in zip(values, weights, strict=True) if w > 0 and not math.isnan(v)]
    return sum(v * w for v, w in known) / sum(w for _, w in known) if known else float("nan")


def _quantile(values: Sequence[float], level: float) -> float:
    """Quantile by linear interpolation between order statistics, as ``numpy.quantile``."""
    ordered = sorted(values)
    place = level * (len(ordered) - 1)
    low = min(int(place), len(ordered) - 1)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _since(timeline: Sequence[_Seen], time: pd.Timestamp, months: float) -> list[_Seen]:
    start = _before(time, int(months))
    return [s for s in timeline if start <= s.time < time]


@functools.lru_cache(maxsize=4096)
def _before(time: pd.Timestamp, months: int) -> pd.Timestamp:
    """So many months before a scene's time: the same for every plantation under it."""
    return time - pd.DateOffset(months=months)


def _single(record: SceneRecord, time: pd.Timestamp, timeline: Sequence[_Seen], rules: Rules) -> Verdict:
    """Offset and bands of one scene."""
    verdict = _offset(record, time, timeline, rules)
    figures = record.other if verdict.inferred else record.claimed
    if not record.classified or record.pixels < rules.min_pixels or math.isnan(figures.ndvi):
        return verdict
    if figures.ndvi < rules.bands_ndvi_min:
        return replace(verdict, bands="negative_ndvi")
    # of a NaN neither is true: then red is below nothing, which the offset check judges
    dark, bright = figures.infrared < rules.bands_infrared_min, figures.infrared > rules.bands_infrared_max
    return replace(verdict, bands="infrared_out_of_range") if dark or bright else verdict


def _offset(record: SceneRecord, time: pd.Timestamp, timeline: Sequence[_Seen], rules: Rules) -> Verdict:
    claim, figures = record.offset, record.claimed
    if claim not in OTHER_OFFSET:
        return Verdict(claim, "unknown_offset")
    if not record.classified:
        return Verdict(claim, "no_classification")
    if record.pixels < rules.min_pixels or math.isnan(figures.ndvi):
        return Verdict(claim, "few_pixels")
    if claim < 0:
        dark = figures.red_share > rules.removed_share or figures.red < rules.removed_red_median
        return Verdict(OTHER_OFFSET[claim], "already_removed") if dark else Verdict(claim, "plausible")
    if not (figures.red > rules.missing_red_median and figures.ndvi < rules.missing_ndvi):
        return Verdict(claim, "plausible")
    if _is_vegetation(record.other, rules):
        return Verdict(OTHER_OFFSET[claim], "missing")
    before = [s for s in _since(timeline, time, rules.missing_history_months) if not math.isnan(s.infrared)]
    if len(before) < rules.min_history:
        return Verdict(claim, "no_history")
    green = _quantile([s.ndvi for s in before], 0.5) > rules.missing_history_ndvi
    rise = figures.infrared - _quantile([s.infrared for s in before], 0.5)
    missing = green and rise > rules.missing_infrared_rise
    return Verdict(OTHER_OFFSET[claim], "missing") if missing else Verdict(claim, "plausible")


def _is_vegetation(figures: Figures, rules: Rules) -> bool:
    """Whether figures are those of green vegetation that can be, in the visible and in the short-wave infrared."""
    green = figures.ndvi > rules.missing_other_ndvi
    return green and figures.blue > rules.missing_other_blue and figures.swir > rules.missing_other_swir


def _air(timeline: Sequence[_Seen], wanted: set[str], rules: Rules) -> dict[str, str]:
    """State of the air of the wanted datatakes, which are the last of the timeline."""
    veils = {s.datatake: _veil(s, timeline, rules) for s in timeline if s.datatake in wanted}
    found = {d: "haze" if v > rules.haze_blue else "not_tested" if math.isnan(v) else "clear" for d, v in veils.items()}
    clear = [s for s in timeline if found.get(s.datatake) in {"clear", "not_tested"}]
    earlier = (s for s in reversed(timeline) if s.datatake not in wanted)
    # a half-veiled look back would hide the fall
    last = next((s for s in earlier if not _veil(s, timeline, rules) > rules.haze_blue / 2), None)
    for n, this in enumerate(clear):
        drop = last.ndvi - this.ndvi if last is not None else 0.0
        back = max(_unveiled(this, veils[this.datatake]), *(s.ndvi for s in clear[n : n + 2]))
        if drop > rules.haze_ndvi_drop and back - this.ndvi >= rules.haze_recovery_share * drop:
            found[this.datatake] = "ndvi_drop"
        else:
            last = this
    return found


def _veil(seen: _Seen, timeline: Sequence[_Seen], rules: Rules) -> float:
    """Rise of B02 above the clean level of the past that no ground explains; NaN if there is too little past.

    The ground moves along the soil line, dB02 = slope dB04; white haze lifts both alike. So of what a scene differs
    from the clean past, haze is (dB02 - slope dB04) / (1 - slope), and never more than dB02.
    """
    before = [s for s in _since(timeline, seen.time, rules.haze_history_months) if not math.isnan(s.blue)]
    if len(before) < rules.min_history or math.isnan(seen.blue):
        return float("nan")
    slope, level = rules.haze_soil_slope, rules.haze_clean_quantile
    rise = seen.blue - _quantile([s.blue for s in before], level)
    off_line = seen.blue - slope * seen.red - _quantile([s.blue - slope * s.red for s in before], level)
    return min(rise, off_line / (1 - slope))


def _unveiled(seen: _Seen, veil: float) -> float:
    """NDVI without a veil, which lifts B04 as it lifts B02 and leaves B08 as it is; as seen if no veil is known."""
    red = seen.red - (veil if veil > 0 else 0.0)
    return (seen.infrared - red) / (seen.infrared + red) if seen.infrared + red > 0 else seen.ndvi
