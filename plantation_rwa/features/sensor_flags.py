"""Quality flags beside the raw values of all sensor readings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.features import sensor_gauges as gauge
from plantation_rwa.features import sensor_places as place
from plantation_rwa.features import sensor_tests as test
from plantation_rwa.features.sensor_breaks import breaks
from plantation_rwa.features.sensor_drift import drifted, readings_beside

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
SENSOR = ["plantation_id", "variable", "depth_m", "station_id", "sensor_id"]


@dataclass(frozen=True)
class Code:
    """One flag.

    Parameters
    ----------
    counts
        Whether a reading with this flag alone still counts in the features: it is suspicious, not wrong.
    meaning
        For the dictionary.
    """

    counts: bool
    meaning: str


#: In the order of their bits, lowest first; new ones go to the end.
CODES: dict[str, Code] = {
    "below_range": Code(False, "below what is physically possible (ISMN C01 for soil moisture)"),
    "above_range": Code(False, "above what is physically possible (C02)"),
    "above_saturation": Code(True, "more water than the pores of the soil usually hold (C03)"),
    "clipped": Code(True, "relative humidity just above 100 %, counts as 100 %"),
    "frozen_soil": Code(True, "soil moisture while the station's soil is below 0 degC (D01)"),
    "frozen_air": Code(True, "soil moisture while the station's air is below 0 degC (D02)"),
    "rise_in_dry": Code(True, "topsoil gets wetter without rain (D04)"),
    "spike": Code(False, "one or two readings far from those around them (D06)"),
    "dead": Code(False, "soil moisture drops to exactly zero and stays (D08)"),
    "break": Code(False, "level of soil moisture jumps and stays (D07)"),
    "after_break": Code(False, "after a break, until one of the same size leads back"),
    "low_plateau": Code(False, "unchanging low values after a break (D09)"),
    "high_plateau": Code(True, "unchanging at the highest value seen (D10)"),
    "stuck": Code(False, "one identical value for longer than the variable stands still"),
    "saturated": Code(False, "relative humidity at 100 % for days"),
    "fast_change": Code(True, "change from the reading before faster than the variable can follow"),
    "drip": Code(False, "gauge gives the same small amount for hours"),
    "clogged": Code(False, "gauge without rain while the grid has days of strong rain"),
    "over_grid": Code(True, "gauge far above the grid in ten days"),
    "night": Code(False, "radiation while the sun is below the horizon"),
    "clock_shift": Code(True, "the station's day runs six hours or more off the sun in this month"),
    "clock_back": Code(False, "hours the station has twice with different values: its clock was set back"),
    "clock_doubt": Code(
        False, "after a clock was set back, until the gap that follows its correction, a month at most"
    ),
    "dup_conflict": Code(True, "the files hold another value for this sensor and time"),
    "unit_inferred": Code(True, "unit or sign inferred from the values, against the declaration"),
    "over_neighbours": Code(False, "gauge above three times its neighbours in ten days, and the grid not with it"),
    "drift": Code(
        False, "the sensor's offset to its reference has moved slowly away from that of its first two months"
    ),
    "off_scale": Code(False, "gauge three months in a row above three times the grid, or below a third: another unit"),
}
_BIT = {name: 1 << i for i, name in enumerate(CODES)}
#: Bits of flags with which a reading does not count.
BAD = sum(_BIT[name] for name, code in CODES.items() if not code.counts)
INTERVALS = (
    *("plantation_id", "station_id", "sensor_id", "variable", "depth_m", "first_reading", "last_reading", "readings"),
    *("raw_min", "raw_max", "unit", "qc_flag", "counts"),
)


def flag_readings(
    readings: pd.DataFrame, register: pd.DataFrame, daily: pd.DataFrame | None, assumptions: Assumptions
) -> pd.DataFrame:
    """Quality flags of every reading; raw values stay as they are.

    Parameters
    ----------
    readings
        As ``sources.sensors.read_sensors`` gives them (UTC, canonical units), any order. ``qc_flag``, if there, holds
        codes the source has found, ';'-joined.
    register
        ``plantation_id, timezone, is_peat`` and, for the tests by the sun, ``geometry`` on WGS84.
    daily
        ``plantation_id, date`` and any of ``precipitation`` in mm, ``t2m_min, t2m_max`` in degC, ``rh`` in %: what
        gauges, thermometers and hygrometers are compared with; None or empty skips that.
    assumptions
        Sections ``sensor_features`` and ``sensor_flags``.

    Returns
    -------
    pandas.DataFrame
        The readings of the register's plantations, sorted by sensor and time, with

        - ``bits``: flags as a bit mask, bit i is the i-th of :data:`CODES`
        - ``checked``: the value to count, NaN where a flag of :data:`BAD` stands; humidity just above 100 % is 100
        - ``sensor`` (number of the series), ``local`` (wall-clock time), ``hour, day, month`` (local, since 1970). The
          morning reading of a gauge that is read once a day belongs to the last hour of the day before.

    Notes
    -----
    What is flagged in a month depends on that month's and earlier readings and climate only.
    """
    frame = place_readings(readings, register, assumptions)
    places = _places(register)
    frame["bits"] = _given(frame)
    frame["checked"] = frame["value"].to_numpy("float64")
    if frame.empty:
        return frame
    _ranges(frame, places, assumptions)
    rain = _station_tests(frame, places, daily, assumptions)
    _sensor_tests(frame, rain, assumptions)
    _leave_out(frame)  # a drift shows in what is left
    _mark(frame, "drift", drifted(frame, daily, assumptions))
    _leave_out(frame)
    return frame


def place_readings(readings: pd.DataFrame, register: pd.DataFrame, assumptions: Assumptions) -> pd.DataFrame:
    """The readings in order, each with its sensor's number and its local time, hour, day and month.

    Parameters and columns as :func:`flag_readings`.
    """
    frame = readings[readings["plantation_id"].isin(register["plantation_id"])]
    frame = frame.sort_values([*SENSOR, "time"], kind="stable").reset_index(drop=True)
    places = _places(register)
    frame["sensor"] = frame.groupby(SENSOR, sort=True, dropna=False).ngroup()
    frame["local"] = _local(frame, places)
    frame["hour"] = _hours(frame, int(assumptions.number("sensor_features.rain_book_hour")))
    frame["day"] = frame["hour"] // 24
    frame["month"] = frame["hour"].to_numpy().astype("datetime64[h]").astype("datetime64[M]").astype(np.int64)
    return frame


def flag_text(bits: NDArray[np.int64]) -> NDArray[np.object_]:
    """Names of the flags in a bit mask, ';'-joined in the order of :data:`CODES`."""
    kinds, codes = np.unique(bits, return_inverse=True)
    texts = [";".join(name for name, bit in _BIT.items() if int(k) & bit) for k in kinds]
    return np.array(texts, dtype=object)[codes] if len(texts) else np.array([], dtype=object)


def has_flag(flagged: pd.DataFrame, *names: str) -> Bools:
    """Readings with any of the flags, shape ``(n,)``."""
    return np.asarray((flagged["bits"].to_numpy() & sum(_BIT[n] for n in names)) != 0)


def flag_intervals(flagged: pd.DataFrame) -> pd.DataFrame:
    """Flagged readings as a table: readings in a row of one sensor with the same flags are one line.

    Parameters
    ----------
    flagged
        From :func:`flag_readings`.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`INTERVALS`; ``first_reading, last_reading`` ISO 8601 UTC, ``raw_min, raw_max`` the raw values in
        ``unit``, ``counts`` whether the readings count in the features. Sorted by sensor and time.
    """
    bits, sensor = flagged["bits"].to_numpy(), flagged["sensor"].to_numpy()
    new = np.r_[True, (bits[1:] != bits[:-1]) | (sensor[1:] != sensor[:-1])][: len(bits)]
    rows = flagged.assign(interval=np.cumsum(new))[bits != 0]
    groups = rows.groupby("interval", sort=True)
    out = groups[[*SENSOR, "unit", "bits"]].first()
    out["depth_m"] = groups["depth_m"].min()
    out = out.join(groups["value"].agg(raw_min="min", raw_max="max", readings="size"))
    for name, how in (("first_reading", "min"), ("last_reading", "max")):
        out[name] = groups["time"].agg(how).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    out["qc_flag"] = flag_text(out["bits"].to_numpy("int64"))
    out["counts"] = (out["bits"].to_numpy("int64") & BAD) == 0
    return out[list(INTERVALS)].reset_index(drop=True)


def _mark(frame: pd.DataFrame, name: str, mask: Bools) -> None:
    bits = frame["bits"].to_numpy().copy()
    bits[mask] |= _BIT[name]
    frame["bits"] = bits


def _leave_out(frame: pd.DataFrame) -> None:
    bad = (frame["bits"].to_numpy() & BAD) != 0
    frame.loc[bad, "checked"] = np.nan


def _given(frame: pd.DataFrame) -> NDArray[np.int64]:
    if "qc_flag" not in frame:
        return np.zeros(len(frame), dtype=np.int64)
    codes, texts = pd.factorize(frame["qc_flag"].fillna(""))
    masks = [sum(_BIT[name] for name in str(text).split(";") if name) for text in texts]
    return np.array(masks, dtype=np.int64)[codes] if len(masks) else np.zeros(len(frame), dtype=np.int64)


def _places(register: pd.DataFrame) -> pd.DataFrame:
    rows = register.drop_duplicates("plantation_id").set_index("plantation_id")
    out = pd.DataFrame(index=rows.index)
    out["timezone"] = rows["timezone"].fillna("") if "timezone" in rows else ""
    out["is_peat"] = rows["is_peat"].eq(True).fillna(False).to_numpy(bool) if "is_peat" in rows else False
    # all at once: a portfolio without any sensor has as many outlines
    points = shapely.point_on_surface(rows["geometry"].to_numpy(object)) if "geometry" in rows else None
    for name, axis in (("longitude", shapely.get_x), ("latitude", shapely.get_y)):
        out[name] = np.nan if points is None else axis(points)
    return out


def _local(frame: pd.DataFrame, places: pd.DataFrame) -> NDArray[np.datetime64]:
    """Wall-clock time of each reading."""
    out = frame["time"].to_numpy("datetime64[us]").copy()
    zones = frame["plantation_id"].map(places["timezone"]).to_numpy(dtype=object)
    for name in sorted(set(zones) - {""}):
        here = zones == name
        out[here] = frame.loc[here, "time"].dt.tz_convert(name).dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.asarray(out)


def _hours(frame: pd.DataFrame, book: int) -> NDArray[np.int64]:
    """Local hour each reading counts in.

    A gauge that has never been read twice a day is a rain book: its reading of the morning, up to ``book`` o'clock,
    is the rain of the day before (domain/yield.md section 4).
    """
    hour = frame["local"].to_numpy("datetime64[h]").astype(np.int64)
    days = pd.DataFrame({"sensor": frame["sensor"].to_numpy(), "day": hour // 24})
    reads = days.groupby(["sensor", "day"], sort=True).size()
    most = reads.groupby(level="sensor", sort=True).cummax()
    once = most.reindex(pd.MultiIndex.from_frame(days)).to_numpy() == 1
    early = (frame["variable"] == "rain").to_numpy() & once & (hour % 24 <= book)
    return np.asarray(np.where(early, hour - hour % 24 - 1, hour), dtype=np.int64)


def _ranges(frame: pd.DataFrame, places: pd.DataFrame, assumptions: Assumptions) -> None:
    value = frame["checked"].to_numpy().copy()
    variable = frame["variable"].to_numpy(dtype=object)
    peat = frame["plantation_id"].map(places["is_peat"]).to_numpy(bool)
    number = assumptions.number
    over = (variable == "relative_humidity") & (value > 100.0)
    over &= value <= number("sensor_features.relative_humidity_overshoot")
    value[over] = 100.0
    _mark(frame, "clipped", over)
    soil = variable == "soil_moisture"
    for name, (low, high) in sorted(assumptions.table("sensor_features.ranges").items()):
        here = variable == name
        upper = np.full(len(value), high)
        if name == "soil_moisture":
            upper[peat] = number("sensor_features.soil_moisture_max_peat")
        _mark(frame, "below_range", here & ~(value >= low))
        _mark(frame, "above_range", here & ~(value <= upper))
        value[here & ~((value >= low) & (value <= upper))] = np.nan
    mineral, fibric = assumptions.table("sensor_flags.saturation")
    _mark(frame, "above_saturation", soil & (value > np.where(peat, fibric, mineral)))
    frame["checked"] = value


def _station_tests(
    frame: pd.DataFrame, places: pd.DataFrame, daily: pd.DataFrame | None, assumptions: Assumptions
) -> dict[str, Floats]:
    limits = place.PlaceLimits.of(assumptions)
    back, doubt = place.clock_set_back(frame, has_flag(frame, "dup_conflict"), limits)
    _mark(frame, "clock_back", back)
    _mark(frame, "clock_doubt", doubt)
    _mark(frame, "night", place.at_night(frame, places, limits))
    _mark(frame, "clock_shift", place.clock_errors(frame, places, limits))
    soil = (frame["variable"] == "soil_moisture").to_numpy()
    for name, variable in (("frozen_soil", "soil_temperature"), ("frozen_air", "air_temperature")):
        cold = frame[(frame["variable"] == variable) & frame["value"].between(-40.0, -1e-9)]
        keys = [*place.STATION, "hour"]
        frozen = pd.MultiIndex.from_frame(frame[keys]).isin(pd.MultiIndex.from_frame(cold[keys]))
        _mark(frame, name, soil & frozen)
    return _gauge_tests(frame, places, daily, gauge.GaugeLimits.of(assumptions))


def _gauge_tests(
    frame: pd.DataFrame, places: pd.DataFrame, daily: pd.DataFrame | None, limits: gauge.GaugeLimits
) -> dict[str, Floats]:
    grid = pd.DataFrame({"plantation_id": pd.Series(dtype="str"), "day": pd.Series(dtype="int64"), "grid": 0.0})
    if daily is not None and len(daily) > 0 and "precipitation" in daily:
        days = daily["date"].to_numpy("datetime64[D]").astype(np.int64)
        grid = pd.DataFrame({"plantation_id": daily["plantation_id"], "day": days, "grid": daily["precipitation"]})
        grid = grid.drop_duplicates(["plantation_id", "day"])
    gauges = gauge.gauge_days(frame)
    own_days = pd.MultiIndex.from_frame(frame[["sensor", "day"]])
    rainy = (frame["variable"] == "rain").to_numpy()
    lost = gauge.clogged(gauges, grid, limits)
    for name, found in (
        ("clogged", lost),
        ("over_grid", gauge.over_grid(gauges, grid, limits)),
        ("off_scale", gauge.off_scale(gauges, grid, lost, limits)),
        ("over_neighbours", gauge.over_neighbours(gauges, grid, lost, places, limits)),
    ):
        _mark(frame, name, rainy & own_days.isin(pd.MultiIndex.from_frame(found[["sensor", "day"]])))
    return gauge.rain_axis(frame, gauges, grid, lost)


_TESTS: dict[str, Callable[[test.Series, test.Limits], Bools]] = {
    "stuck": test.standstill,
    "drip": test.drips,
    "saturated": test.saturated,
    "high_plateau": test.plateaus,
    "fast_change": test.rates,
    "rise_in_dry": test.rises_in_dry,
}


def _sensor_tests(frame: pd.DataFrame, rain: dict[str, Floats], assumptions: Assumptions) -> None:
    limits = test.Limits.of(assumptions)
    bits = frame["bits"].to_numpy().copy()
    usable = (bits & BAD) == 0
    alone = np.full(len(frame), np.nan)
    for rows, series in _each_sensor(frame, rain, usable, alone, alone):
        spike = test.spikes(series, limits)
        for name, judge in _TESTS.items():
            bits[rows[judge(series, limits)]] |= _BIT[name]
        # from a spike and back is fast, but nothing new
        beside = spike | np.r_[False, spike[:-1]]
        bits[rows[beside]] &= ~_BIT["fast_change"]
        bits[rows[spike]] |= _BIT["spike"]
        bits[rows[test.dead(series)]] |= _BIT["dead"]
    calm = (bits & BAD) == 0  # a probe beside that stands still or is dead says nothing of the soil
    sensor = frame["sensor"].to_numpy()
    for rows, series in _each_sensor(frame, rain, calm, *readings_beside(frame, calm)):
        at, after = breaks(series, limits)
        bits[rows[at]] |= _BIT["break"]
        bits[rows[after & test.still(series)]] |= _BIT["low_plateau"]
        own = np.arange(rows[0], np.searchsorted(sensor, sensor[rows[0]], side="right"))
        own = own[usable[own]]
        bits[own[_reaching(after, np.searchsorted(own, rows), len(own))]] |= _BIT["after_break"]
    frame["bits"] = bits


def _each_sensor(
    frame: pd.DataFrame, rain: dict[str, Floats], usable: Bools, beside: Floats, above: Floats
) -> Iterator[tuple[NDArray[np.int64], test.Series]]:
    """Positions and series of the usable readings of every sensor that has any."""
    hours = frame["time"].to_numpy("datetime64[us]").astype(np.int64) / 3.6e9
    local = frame["local"].to_numpy("datetime64[us]").astype(np.int64) / 3.6e9
    values, month = frame["checked"].to_numpy(), frame["month"].to_numpy()
    kept = np.flatnonzero(usable & ~np.isnan(values))
    variables, depths = frame["variable"].to_numpy(object), frame["depth_m"].to_numpy("float64")
    plantations, sensor = frame["plantation_id"].to_numpy(object), frame["sensor"].to_numpy()[kept]
    for rows in np.split(kept, np.flatnonzero(np.diff(sensor)) + 1) if len(kept) else ():
        axis = rain.get(str(plantations[rows[0]]))
        fallen = np.full(len(rows), np.nan) if axis is None else np.interp(local[rows], axis[0], axis[1])
        name, depth = str(variables[rows[0]]), float(depths[rows[0]])
        own = (hours[rows], values[rows], month[rows], depth, fallen, beside[rows], above[rows])
        yield rows, test.Series(name, *own)


def _reaching(mask: Bools, at: NDArray[np.int64], n: int) -> Bools:
    """A mask over the readings at some positions, each carried on to the positions up to the next of them."""
    out = np.zeros(n, dtype=bool)
    if len(at):
        before = np.searchsorted(at, np.arange(n), side="right") - 1
        out = (before >= 0) & mask[before]
    return out
