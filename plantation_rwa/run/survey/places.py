"""Cross-checks of place: outlines against countries, clocks, the climate grid, and the course of the sun."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from plantation_rwa.run.survey.findings import Finding, counted, some
from plantation_rwa.sources.places import default_timezone

#: Countries that grow oil palm: west, south, east, north in whole degrees, rounded outwards, islands included.
#: Source: Natural Earth, admin 0.
BOXES: Mapping[str, tuple[int, int, int, int]] = {
    "AO": (11, -19, 25, -4), "BI": (28, -5, 31, -2), "BJ": (0, 6, 4, 13), "BN": (113, 3, 116, 6),
    "BR": (-74, -34, -34, 6), "CD": (12, -14, 32, 6), "CF": (14, 2, 28, 12), "CG": (11, -6, 19, 4),
    "CI": (-9, 4, -2, 11), "CM": (8, 1, 17, 14), "CO": (-82, -5, -66, 14), "CR": (-88, 5, -82, 12),
    "DO": (-73, 17, -68, 20), "EC": (-92, -6, -75, 2), "GA": (8, -4, 15, 3), "GH": (-4, 4, 2, 12),
    "GM": (-17, 13, -13, 14), "GN": (-16, 7, -7, 13), "GQ": (5, -2, 12, 4), "GT": (-93, 13, -88, 18),
    "GW": (-17, 10, -13, 13), "HN": (-90, 12, -82, 18), "ID": (94, -12, 142, 7), "IN": (68, 6, 98, 36),
    "KH": (102, 9, 108, 15), "LA": (100, 13, 108, 23), "LK": (79, 5, 82, 10), "LR": (-12, 4, -7, 9),
    "MG": (42, -26, 51, -11), "MM": (92, 9, 102, 29), "MX": (-119, 14, -86, 33), "MY": (98, 0, 120, 8),
    "NG": (2, 4, 15, 14), "NI": (-88, 10, -82, 16), "PA": (-84, 7, -77, 10), "PE": (-82, -19, -68, 1),
    "PG": (140, -12, 160, 0), "PH": (116, 4, 127, 21), "PY": (-63, -28, -54, -19), "SB": (155, -13, 170, -5),
    "SG": (103, 1, 105, 2), "SL": (-14, 6, -10, 11), "SN": (-18, 12, -11, 17), "SR": (-59, 1, -53, 7),
    "ST": (6, -1, 8, 2), "TG": (-1, 5, 2, 12), "TH": (97, 5, 106, 21), "TZ": (29, -12, 41, 0),
    "UG": (29, -2, 36, 5), "VE": (-74, 0, -59, 16), "VN": (102, 8, 110, 24), "VU": (166, -21, 171, -13),
}  # fmt: skip

#: share of an outline that the seam of a grid round the globe may leave open by rounding
_SEAM = 1e-6

#: variable -> solar hour at which its daily course, drawn as one wave, is highest (domain: noon sun, heat two to three
#: hours later); wind, rain and humidity are too irregular
_PEAK_HOUR = {"radiation": 12.0, "air_temperature": 14.0}
_HOURS_OFF = 3.0
#: legal clocks of palm countries lie within this of the sun's
_CLOCK_OFF = 2.0


def countries(register: pd.DataFrame) -> list[Finding]:
    """Outlines that do not lie in the country the register names; exchanged axes are told as such.

    Parameters
    ----------
    register
        ``plantation_id, country, geometry`` (longitude, latitude).
    """
    away, turned = list[tuple[str, str, float, float]](), list[tuple[str, str, float, float]]()
    for plantation, country, place in zip(
        register["plantation_id"], register["country"], register["geometry"], strict=True
    ):
        box = BOXES.get(country)
        if box is None:
            continue
        x, y = place.representative_point().coords[0]
        if _inside(box, x, y):
            continue
        (turned if _inside(box, y, x) else away).append((plantation, country, x, y))
    found = []
    for rows, told, remedy in (
        (turned, "lies outside its country, and inside it with the axes exchanged", "Write longitude before latitude."),
        (away, "does not lie in its country", "Check the declared CRS, the axis order and the country."),
    ):
        if rows:
            shown = some(f"{p} {c} at {y:.2f} N, {x:.2f} E" for p, c, x, y in rows)
            every = len(rows) == len(register)
            told = f"the outline of {counted(len(rows), 'plantation')} {told}"
            found.append(
                Finding("error" if every else "warning", "portfolio.register", "geometry", shown, told, remedy)
            )
    return found


def clocks(register: pd.DataFrame, day: pd.Timestamp) -> list[Finding]:
    """Time zones that fit neither the country nor the longitude."""
    odd = []
    for row in register.itertuples(index=False):
        own = _offset(row.timezone, day)
        usual = default_timezone(row.country, row.state)
        sun = row.geometry.representative_point().x / 15.0
        if abs((own - sun + 12) % 24 - 12) > _CLOCK_OFF and (usual is None or own != _offset(usual, day)):
            odd.append(f"{row.plantation_id} {row.timezone} (UTC{own:+g}, the sun {sun:+.1f} h)")
    if not odd:
        return []
    told = (
        f"timezone of {counted(len(odd), 'plantation')} is more than {_CLOCK_OFF:g} h off the sun and not the country's"
    )
    remedy = "Correct the timezone: months and naive sensor times are cut by it."
    return [Finding("warning", "portfolio.register", "timezone", some(odd), told, remedy)]


def grid_cover(register: pd.DataFrame, cells: BaseGeometry) -> list[Finding]:
    """Outlines that the climate grid covers in part.

    Parameters
    ----------
    register
        Plantations that take their climate from the grid.
    cells
        Ground that the grid covers.
    """
    # a grid round the globe goes on beyond the antimeridian, wherever it begins
    turns = [shapely.transform(cells, lambda xy, by=by: xy + np.array([by, 0.0])) for by in (-360.0, 0.0, 360.0)]
    ground = shapely.union_all(turns)
    part = [
        plantation
        for plantation, place in zip(register["plantation_id"], register["geometry"], strict=True)
        if place.intersects(ground) and place.difference(ground).area > _SEAM * place.area
    ]
    if not part:
        return []
    west, south, east, north = cells.bounds
    told = (
        f"{counted(len(part), 'plantation')} lie partly outside the grid "
        f"({south:g} to {north:g} N, {west:g} to {east:g} E)"
    )
    remedy = "Cut the grid with a margin of one cell around the outlines."
    return [Finding("warning", "climate.grid", "latitude", some(part), told, remedy)]


def station_clocks(sensors: pd.DataFrame, register: pd.DataFrame) -> list[Finding]:
    """Stations whose day does not follow the sun: times in another zone than the file or the register says.

    Parameters
    ----------
    sensors
        ``plantation_id, station_id, variable, time`` (UTC), ``value``.

    Notes
    -----
    The first harmonic of the mean day (24 solar hours, UTC + longitude / 15) peaks at noon for radiation and about
    14 h for air temperature. A station with less than half a day's hours is not judged.
    """
    rows = sensors[sensors["variable"].isin(_PEAK_HOUR)]
    if rows.empty:
        return []
    east = {p: g.representative_point().x for p, g in zip(register["plantation_id"], register["geometry"], strict=True)}
    longitude = rows["plantation_id"].map(east).to_numpy(float)
    utc = (rows["time"].dt.hour + rows["time"].dt.minute / 60.0).to_numpy(float)
    solar = np.floor((utc + longitude / 15.0) % 24.0).astype(int)
    days = rows.assign(hour=solar).groupby(["plantation_id", "station_id", "variable", "hour"], sort=True)["value"]
    means = days.median().unstack("hour")
    judged, told = set(), []
    for variable, expected in _PEAK_HOUR.items():
        for (plantation, station, _), day in means[means.index.get_level_values("variable") == variable].iterrows():
            known = day.dropna()
            if (plantation, station) in judged or len(known) < 13 or known.max() - known.min() <= 1e-9:
                continue
            judged.add((plantation, station))
            wave = np.sum(known.to_numpy() * np.exp(1j * 2 * np.pi * (known.index.to_numpy(float) + 0.5) / 24.0))
            peak = float(np.angle(wave)) * 24.0 / (2 * np.pi) % 24.0
            off = (peak - expected + 12.0) % 24.0 - 12.0
            if abs(off) > _HOURS_OFF:
                told.append(f"{station} {variable} highest at {round(peak) % 24} h")
    if not told:
        return []
    what = f"the day of {counted(len(told), 'station')} is more than {_HOURS_OFF:g} h off the sun"
    remedy = "Check the zone of its times: naive ones are local, UTC ones need Z."
    return [Finding("warning", "sensors.path", "time", some(told), what, remedy)]


def _inside(box: tuple[int, int, int, int], x: float, y: float) -> bool:
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _offset(zone: str, day: pd.Timestamp) -> float:
    moment = day.tz_localize(zone) if day.tzinfo is None else day.tz_convert(zone)
    offset = moment.utcoffset()
    return 0.0 if offset is None else offset.total_seconds() / 3600.0


def extent(latitude: np.ndarray, longitude: np.ndarray) -> shapely.Polygon:
    """Ground that the cells of a grid cover, from their evenly spaced centres in degrees."""
    (west, east), (south, north) = _edges(longitude), _edges(latitude)
    return shapely.box(west, south, east, north)


def _edges(centres: np.ndarray) -> tuple[float, float]:
    half = abs(float(centres[1] - centres[0])) / 2.0 if len(centres) > 1 else 0.0
    return float(np.min(centres)) - half, float(np.max(centres)) + half
