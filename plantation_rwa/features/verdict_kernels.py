"""Compiled rules of :mod:`scene_checks`: many plantations under the same scenes in one call.

Importing this module imports numba: import it where it is used, not at the top of a module. A month is judged by two
years of scenes; in arrays one plantation at a time that took longer than reading its pixels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.compiled import compiled

#: codes of what is made of an offset, the air and the bands; the words stand in :mod:`scene_checks`
PLAUSIBLE, ALREADY_REMOVED, MISSING, FEW_PIXELS, NO_CLASSIFICATION, NO_HISTORY, UNKNOWN_OFFSET = range(7)
CLEAR, HAZE, NDVI_DROP, UNCLASSIFIED, NOT_TESTED = range(5)
NEGATIVE_NDVI, INFRARED_OUT_OF_RANGE = 1, 2
#: columns of what is known of a scene: effective pixels, then figures under the claimed and under the other offset
RED_SHARE, RED, BLUE, NDVI, SWIR = range(5)
_CLAIMED, _OTHER = 1, 6
#: columns of the timeline
_RED, _BLUE, _NDVI, _INFRARED = range(4)


@compiled
def _infrared(red: float, ndvi: float) -> float:
    """B08 that goes with a red and an NDVI; NaN where either is impossible."""
    return red * (1 + ndvi) / (1 - ndvi) if ndvi < 1 else math.nan


@compiled
def _quantile(values: NDArray[np.float64], level: float) -> float:
    """Quantile by linear interpolation between order statistics, as ``numpy.quantile``; ``values`` is sorted."""
    values.sort()
    place = level * (values.shape[0] - 1)
    low = min(int(place), values.shape[0] - 1)
    high = min(low + 1, values.shape[0] - 1)
    return np.float64(values[low] + (values[high] - values[low]) * (place - low))


@compiled
def _since(times: NDArray[np.int64], start: int, time: int, values: NDArray[np.float64], out: NDArray[np.int64]) -> int:
    """Places of the timeline from ``start`` to before ``time`` that have a value, and how many."""
    n = 0
    for k in range(times.shape[0]):
        if start <= times[k] < time and not math.isnan(values[k]):
            out[n] = k
            n += 1
    return n


@compiled
def _is_vegetation(figures: NDArray[np.float64], rules: Any) -> bool:
    """Whether figures are those of green vegetation that can be, in the visible and in the short-wave infrared."""
    green = figures[NDVI] > rules.missing_other_ndvi
    return bool(green and figures[BLUE] > rules.missing_other_blue and figures[SWIR] > rules.missing_other_swir)


@compiled
def _offset(
    claim: float,
    classified: bool,
    pixels: float,
    claimed: NDArray[np.float64],
    other: NDArray[np.float64],
    start: int,
    time: int,
    times: NDArray[np.int64],
    seen: NDArray[np.float64],
    rules: Any,
) -> int:
    """Code of what is made of a claimed offset."""
    if claim not in (-1000.0, 0.0):
        return UNKNOWN_OFFSET
    if not classified:
        return NO_CLASSIFICATION
    if pixels < rules.min_pixels or math.isnan(claimed[NDVI]):
        return FEW_PIXELS
    if claim < 0:
        dark = claimed[RED_SHARE] > rules.removed_share or claimed[RED] < rules.removed_red_median
        return ALREADY_REMOVED if dark else PLAUSIBLE
    if not (claimed[RED] > rules.missing_red_median and claimed[NDVI] < rules.missing_ndvi):
        return PLAUSIBLE
    if _is_vegetation(other, rules):
        return MISSING
    before = np.empty(times.shape[0], np.int64)
    n = _since(times, start, time, seen[_INFRARED], before)
    if n < rules.min_history:
        return NO_HISTORY
    green = _quantile(seen[_NDVI][before[:n]], 0.5) > rules.missing_history_ndvi
    rise = _infrared(claimed[RED], claimed[NDVI]) - _quantile(seen[_INFRARED][before[:n]], 0.5)
    missing = green and rise > rules.missing_infrared_rise
    return MISSING if missing else PLAUSIBLE


@compiled
def _bands(classified: bool, pixels: float, figures: NDArray[np.float64], rules: Any) -> int:
    """Code of what is made of the bands, by the figures under the offset to apply."""
    if not classified or pixels < rules.min_pixels or math.isnan(figures[NDVI]):
        return PLAUSIBLE
    if figures[NDVI] < rules.bands_ndvi_min:
        return NEGATIVE_NDVI
    # of a NaN neither is true: then red is below nothing, which the offset check judges
    infrared = _infrared(figures[RED], figures[NDVI])
    dark, bright = infrared < rules.bands_infrared_min, infrared > rules.bands_infrared_max
    return INFRARED_OUT_OF_RANGE if dark or bright else PLAUSIBLE


@compiled
def _mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    total = product = 0.0
    for k in range(values.shape[0]):
        if weights[k] > 0 and not math.isnan(values[k]):
            product += values[k] * weights[k]
            total += weights[k]
    return product / total if total > 0 else math.nan


@compiled
def _veil(k: int, times: NDArray[np.int64], seen: NDArray[np.float64], start: int, rules: Any) -> float:
    """Rise of B02 above the clean level of the past that no ground explains; NaN if there is too little past.

    The ground moves along the soil line, dB02 = slope dB04; white haze lifts both alike. So of what a scene differs
    from the clean past, haze is (dB02 - slope dB04) / (1 - slope), and never more than dB02.
    """
    before = np.empty(times.shape[0], np.int64)
    n = _since(times, start, times[k], seen[_BLUE], before)
    if n < rules.min_history or math.isnan(seen[_BLUE, k]):
        return math.nan
    slope, level = rules.haze_soil_slope, rules.haze_clean_quantile
    blue, red = seen[_BLUE][before[:n]], seen[_RED][before[:n]]
    line = blue - slope * red
    rise = seen[_BLUE, k] - _quantile(blue, level)
    off_line = seen[_BLUE, k] - slope * seen[_RED, k] - _quantile(line, level)
    unexplained = off_line / (1 - slope)
    return np.float64(unexplained if unexplained < rise else rise)


@compiled
def _unveiled(red: float, ndvi: float, infrared: float, veil: float) -> float:
    """NDVI without a veil, which lifts B04 as it lifts B02 and leaves B08 as it is; as seen if no veil is known."""
    own = red - (veil if veil > 0 else 0.0)
    return (infrared - own) / (infrared + own) if infrared + own > 0 else ndvi


@compiled
def _air(
    times: NDArray[np.int64],
    starts: NDArray[np.int64],
    seen: NDArray[np.float64],
    wanted: NDArray[np.bool_],
    rules: Any,
    found: NDArray[np.int64],
) -> None:
    """Code of the air of the wanted places of a timeline, which are its last."""
    count = times.shape[0]
    veils = np.full(count, math.nan)
    for k in range(count):
        if wanted[k]:
            veils[k] = _veil(k, times, seen, starts[k], rules)
            found[k] = HAZE if veils[k] > rules.haze_blue else NOT_TESTED if math.isnan(veils[k]) else CLEAR
    # a half-veiled look back would hide the fall
    last = -1
    for k in range(count - 1, -1, -1):
        if not wanted[k] and not _veil(k, times, seen, starts[k], rules) > rules.haze_blue / 2:
            last = k
            break
    clear = np.empty(count, np.int64)
    n = 0
    for k in range(count):
        if wanted[k] and found[k] != HAZE:
            clear[n] = k
            n += 1
    for i in range(n):
        k = clear[i]
        drop = seen[_NDVI, last] - seen[_NDVI, k] if last >= 0 else 0.0
        back = _unveiled(seen[_RED, k], seen[_NDVI, k], seen[_INFRARED, k], veils[k])
        for j in range(i, min(i + 2, n)):
            back = seen[_NDVI, clear[j]] if seen[_NDVI, clear[j]] > back else back
        if drop > rules.haze_ndvi_drop and back - seen[_NDVI, k] >= rules.haze_recovery_share * drop:
            found[k] = NDVI_DROP
        else:
            last = k


@compiled
def verdicts(
    numbers: NDArray[np.float64],
    there: NDArray[np.bool_],
    claims: NDArray[np.float64],
    classified: NDArray[np.bool_],
    times: NDArray[np.int64],
    starts: NDArray[np.int64],
    takes: NDArray[np.int64],
    months: NDArray[np.int64],
    rules: Any,
    out: NDArray[np.int8],
) -> None:
    """Verdicts on the scenes of a month over many plantations, see :func:`scene_checks.judge`.

    Parameters
    ----------
    numbers
        Of each plantation and scene, the month's and those before in order of time: effective pixels, then figures
        under the claimed and under the other offset; shape (plantations, scenes, 11).
    there
        Which scenes each plantation has, shape (plantations, scenes).
    claims, classified, times
        Claimed offset of each scene, whether it has a classification, and when it was acquired.
    starts
        From when on its past counts, for the offset and for the air; shape (scenes, 2).
    takes
        Number of each scene's datatake.
    months
        Place of each scene among the month's, -1 for one of the past.
    rules
        Limits.
    out
        Codes of offset, air and bands; shape (plantations, scenes of the month, 3), written.
    """
    count = times.shape[0]
    group, offsets, bands = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.int64)
    done = np.empty(count, np.bool_)
    # datatakes in order of time
    line_times, line_starts = np.empty(count, np.int64), np.empty(count, np.int64)
    line_takes, wanted, air = np.empty(count, np.int64), np.empty(count, np.bool_), np.empty(count, np.int64)
    seen, figures, weights = np.empty((4, count)), np.empty((4, count)), np.empty(count)
    for p in range(numbers.shape[0]):
        done[:] = False
        length = 0
        any_classified = False
        for head in range(count):
            if done[head] or not there[p, head]:
                continue
            n, of_month = 0, False
            for t in range(head, count):
                if there[p, t] and takes[t] == takes[head]:
                    done[t] = True
                    of_month |= months[t] >= 0
                    any_classified |= classified[t]
                    group[n] = t
                    n += 1
            sound, pixels = 0, 0.0
            for i in range(n):
                t = group[i]
                own = numbers[p, t]
                claimed, other = own[_CLAIMED:_OTHER], own[_OTHER:]
                offsets[t] = _offset(
                    claims[t], classified[t], own[0], claimed, other, starts[head, 0], times[head],
                    line_times[:length], seen[:, :length], rules,
                )  # fmt: skip
                applied = other if offsets[t] in (ALREADY_REMOVED, MISSING) else claimed
                bands[t] = _bands(classified[t], own[0], applied, rules)
                if bands[t] == PLAUSIBLE:
                    figures[_RED, sound], figures[_BLUE, sound] = applied[RED], applied[BLUE]
                    figures[_NDVI, sound] = applied[NDVI]
                    figures[_INFRARED, sound] = _infrared(applied[RED], applied[NDVI])
                    weights[sound] = own[0]
                    pixels += own[0]
                    if sound == 0:
                        line_times[length], line_starts[length] = times[t], starts[t, 1]
                    sound += 1
            if sound == 0:
                continue
            for c in range(4):
                seen[c, length] = figures[c, 0] if sound == 1 else _mean(figures[c, :sound], weights[:sound])
            line_takes[length], wanted[length], air[length] = takes[head], of_month, NOT_TESTED
            if pixels >= rules.min_pixels and not math.isnan(seen[_NDVI, length]):
                length += 1
        _air(line_times[:length], line_starts[:length], seen[:, :length], wanted[:length], rules, air)
        for t in range(count):
            m = months[t]
            if m < 0 or not there[p, t]:
                continue
            state = NOT_TESTED
            for k in range(length):
                if line_takes[k] == takes[t]:
                    state = air[k]
            # cloud would count as ground where one scene lacks what the source otherwise has
            out[p, m, 0], out[p, m, 2] = offsets[t], bands[t]
            out[p, m, 1] = state if classified[t] or not any_classified else UNCLASSIFIED
