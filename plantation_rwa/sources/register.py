"""The register of plantations and their blocks: who is valued, where, planted when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.assumptions import Assumptions, packaged
from plantation_rwa.grid import area_ha
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.cells import ColumnSpec
from plantation_rwa.sources.geometry import WGS84, Outline, same_place
from plantation_rwa.sources.places import COUNTRIES, default_timezone, is_timezone, longitude_timezone
from plantation_rwa.sources.tables import Sheet, sheet_of
from plantation_rwa.sources.vectors import read_vectors

SOIL_CLASSES = ("S1", "S2", "S3")
SCHEMES = ("my_netback", "id_plasma", "id_swadaya")

#: Columns of a block table; ``geometry`` beside them.
BLOCK_COLUMNS: Mapping[str, ColumnSpec] = {
    "plantation_id": ColumnSpec("id", required=True),
    "block_id": ColumnSpec("id", required=True),
    "planted_date": ColumnSpec("date", required=True),
    "area_ha": ColumnSpec("float", required=True, above=0.0),
    "soil_class": ColumnSpec("choice", values=SOIL_CLASSES),
    "planting_year_observed": ColumnSpec("float", lower=1900.0, upper=2100.0, hint="write a year, such as 2012"),
    "replanting_date": ColumnSpec("date"),
}


def register_columns(assumptions: Assumptions) -> dict[str, ColumnSpec]:
    """Columns of the register; ``geometry`` beside them. Fractions outside plausible bounds are left out."""

    def fraction(name: str) -> ColumnSpec:
        low, high = assumptions.number(f"plausibility.{name}_min"), assumptions.number(f"plausibility.{name}_max")
        return ColumnSpec("float", lower=low, upper=high, hint="write a fraction, 0.2 for 20 %")

    return {
        "plantation_id": ColumnSpec("id", required=True),
        "country": ColumnSpec(
            "text", required=True, pattern="[A-Z]{2}", hint="use the ISO 3166-1 alpha-2 code, such as MY"
        ),
        "state": ColumnSpec("text"),
        "region": ColumnSpec("text"),
        "sponsor_id": ColumnSpec("id"),
        "mill_id": ColumnSpec("id"),
        "planted_date": ColumnSpec("date", required=True),
        "planted_area_ha": ColumnSpec("float", above=0.0),
        "soil_class": ColumnSpec("choice", values=SOIL_CLASSES),
        "is_peat": ColumnSpec("bool"),
        "management_factor": ColumnSpec(
            "float", above=0.0, upper=assumptions.number("plausibility.management_factor_max")
        ),
        "oer": fraction("oer"),
        "ker": fraction("ker"),
        "realised_price_factor": ColumnSpec(
            "float",
            lower=assumptions.number("plausibility.realised_factor_min"),
            upper=assumptions.number("plausibility.realised_factor_max"),
        ),
        "scheme": ColumnSpec("choice", values=SCHEMES),
        "timezone": ColumnSpec("text"),
        "tenure_end": ColumnSpec("date"),
        "planting_year_observed": BLOCK_COLUMNS["planting_year_observed"],
        "replanting_date": BLOCK_COLUMNS["replanting_date"],
    }


def read_register(
    paths: Sequence[str], quarantine: Quarantine, *, assumptions: Assumptions | None = None
) -> gpd.GeoDataFrame:
    """Read the register.

    Parameters
    ----------
    paths
        GeoParquet, GeoPackage, GeoJSON or Shapefile, any declared CRS.
    quarantine
        Rejected, nulled and repaired records go there.
    assumptions
        Plausibility limits; the packaged ones if None.

    Returns
    -------
    geopandas.GeoDataFrame
        EPSG:4326, one row per accepted plantation in file order: the contract's columns, ``area_geodesic_ha`` (ha,
        NaN for points), ``declared_area_ha`` (as given), ``is_point``, ``flags`` (codes joined by ';').
        ``planted_area_ha`` is the geodesic area where none is declared, or more than the outline can hold;
        ``timezone`` and ``region`` (``country:state``) are filled. Missing text is '',
        missing numbers NaN.

    Raises
    ------
    SourceError
        If a file cannot be read, lacks a required column, or its CRS can neither be read nor guessed.
    """
    limits = assumptions or packaged()
    columns = register_columns(limits)
    sheet, outlines = read_vectors(
        paths, input="register", columns=columns, quarantine=quarantine, geometry_required=True
    )
    frame = sheet.frame
    frame["is_point"] = [o.geometry is not None and o.geometry.geom_type == "Point" for o in outlines]
    frame["area_geodesic_ha"] = _areas(outlines)
    sheet.reject(
        np.array([o.refused != "" for o in outlines], dtype=bool),
        "geometry",
        [f"geometry {o.refused}" for o in outlines if o.refused],
    )
    unknown = ~frame["country"].isin(COUNTRIES) & (frame["country"] != "")
    sheet.reject(unknown, "country", "country is not an ISO 3166-1 alpha-2 code")
    _check_points(sheet, limits.number("plausibility.point_area_max_ha"))
    _reject_repeated_places(sheet, outlines, ["plantation_id"])
    repaired = _report_repairs(sheet, outlines)
    _fill_places(sheet, outlines)
    tolerance = limits.number("plausibility.area_mismatch_max")
    frame["flags"] = _flags(sheet, repaired, tolerance)
    frame["declared_area_ha"] = frame["planted_area_ha"]
    _leave_out_too_much(sheet, tolerance)
    frame["planted_area_ha"] = frame["planted_area_ha"].fillna(frame["area_geodesic_ha"])
    return _geo(sheet, outlines, [*columns, "declared_area_ha", "area_geodesic_ha", "is_point", "flags"])


def read_blocks(
    paths: Sequence[str] | None,
    register: pd.DataFrame,
    quarantine: Quarantine,
    *,
    assumptions: Assumptions | None = None,
) -> gpd.GeoDataFrame:
    """Read the blocks of the registered plantations.

    Blocks that together are more than their plantation's outline can hold are rejected, the last ones first.

    Parameters
    ----------
    paths
        As for the register, also CSV or Parquet without geometry; None for none.
    register
        As :func:`read_register` returns it.
    assumptions
        ``plausibility.area_mismatch_max``; the packaged ones if None.

    Returns
    -------
    geopandas.GeoDataFrame
        EPSG:4326: ``plantation_id, block_id, planted_date, area_ha, soil_class, planting_year_observed,
        replanting_date, geometry`` (None where a block has
        none or one that cannot be used) and ``flags``.

    Raises
    ------
    SourceError
        As for the register.
    """
    columns = BLOCK_COLUMNS
    if not paths:
        sheet, outlines = sheet_of([], input="blocks", columns=columns, quarantine=quarantine), list[Outline]()
    else:
        sheet, outlines = read_vectors(
            paths, input="blocks", columns=columns, quarantine=quarantine, geometry_required=False
        )
    frame = sheet.frame
    sheet.reject_unknown(
        "plantation_id", list(register["plantation_id"]), "plantation_id is not in the register, or was rejected there"
    )
    places = dict(zip(register["plantation_id"], register["geometry"], strict=True))
    usable, outside = [], np.zeros(len(frame), dtype=bool)
    for row, (found, plantation) in enumerate(zip(outlines, frame["plantation_id"], strict=True)):
        place = places.get(plantation)
        point = found.geometry is not None and found.geometry.geom_type == "Point"
        if point:
            found = Outline(None, "is a Point; a Polygon is needed")
        elif found.geometry is not None and place is not None and place.geom_type != "Point":
            outside[row] = not found.geometry.intersects(place)
        usable.append(Outline(None) if outside[row] else found)
    blank = [o.refused == "is missing or empty" for o in usable]
    bad = np.array([o.refused != "" and not b for o, b in zip(usable, blank, strict=True)], dtype=bool)
    sheet.fault(
        bad,
        "geometry",
        [f"geometry {o.refused}; value left out" for o, b in zip(usable, bad, strict=True) if b],
        "nulled",
    )
    sheet.fault(outside, "geometry", "geometry does not touch the plantation's outline; value left out", "nulled")
    _reject_repeated_places(sheet, usable, ["plantation_id", "block_id"])
    _reject_too_many(sheet, register, (assumptions or packaged()).number("plausibility.area_mismatch_max"))
    repaired = _report_repairs(sheet, usable)
    frame["flags"] = pd.Series(np.where(repaired, "geometry_repaired", ""), dtype="str")
    return _geo(sheet, usable, [*columns, "flags"])


def _areas(outlines: Sequence[Outline]) -> NDArray[np.float64]:
    polygons = [o.geometry if o.geometry is not None and o.geometry.geom_type != "Point" else None for o in outlines]
    return np.array([np.nan if g is None else area_ha(g) for g in polygons], dtype=np.float64)


def _leave_out_too_much(sheet: Sheet, tolerance: float) -> None:
    """Leave out a planted area larger than its outline: nothing may be priced on palms that have no room."""
    declared, measured = (sheet.frame[c].to_numpy(float) for c in ("planted_area_ha", "area_geodesic_ha"))
    with np.errstate(invalid="ignore"):
        more = declared > (1.0 + tolerance) * measured
    told = [
        f"{a:,.10g} ha is more than the outline can hold ({m:,.1f} ha), whose area is used; check unit and outline"
        for a, m in zip(declared[more], measured[more], strict=True)
    ]
    sheet.null(more, "planted_area_ha", told)


def _reject_too_many(sheet: Sheet, register: pd.DataFrame, tolerance: float) -> None:
    """Reject blocks for which those before them in the file leave no room in the plantation's outline."""
    room = register["area_geodesic_ha"].fillna(register["planted_area_ha"])
    rooms = dict(zip(register["plantation_id"], (1.0 + tolerance) * room, strict=True))
    frame, taken = sheet.frame, dict[str, float]()
    over, told = np.zeros(len(frame), dtype=bool), []
    for row in np.flatnonzero(sheet.accepted):
        plantation, area = str(frame["plantation_id"].iloc[row]), float(frame["area_ha"].iloc[row])
        before = taken.get(plantation, 0.0)
        if before + area > rooms[plantation]:
            over[row] = True
            told.append(
                f"{area:,.10g} ha beside the {before:,.1f} ha of blocks before it are more than the plantation's "
                "outline can hold; check unit and outline"
            )
        else:
            taken[plantation] = before + area
    sheet.reject(over, "area_ha", told)


def _check_points(sheet: Sheet, limit: float) -> None:
    frame = sheet.frame
    point, area = frame["is_point"].to_numpy(bool), frame["planted_area_ha"].to_numpy(float)
    sheet.reject(
        point & np.isnan(area),
        "planted_area_ha",
        "a plantation given as a Point needs planted_area_ha",
        [""] * int((point & np.isnan(area)).sum()),
    )
    too_large = point & (area > limit)
    sheet.reject(
        too_large,
        "geometry",
        f"a Point may stand for at most {limit:g} ha; give the outline",
        [f"Point, {a:g} ha" for a in area[too_large]],
    )


def _reject_repeated_places(sheet: Sheet, outlines: Sequence[Outline], keys: list[str]) -> None:
    rows = sheet.frame.loc[sheet.accepted, keys]
    conflicting = np.zeros(len(sheet.frame), dtype=bool)
    for _, group in rows[rows.duplicated(keep=False)].groupby(keys, sort=False):
        first, *others = [outlines[i].geometry for i in group.index]
        if any((g is None) != (first is None) or (g is not None and not same_place(first, g)) for g in others):
            conflicting[group.index] = True
    sheet.reject(
        conflicting,
        keys[-1],
        f"the same {' and '.join(keys)} stands for different geometries; all of these rows are left out",
    )
    sheet.reject_duplicates(keys, column=keys[-1])


def _report_repairs(sheet: Sheet, outlines: Sequence[Outline]) -> NDArray[np.bool_]:
    repaired = np.array([bool(o.repairs) for o in outlines], dtype=bool) & sheet.accepted
    sheet.fault(
        repaired,
        "geometry",
        ["geometry: " + "; ".join(o.repairs) for o, r in zip(outlines, repaired, strict=True) if r],
        "repaired",
    )
    return repaired


def _fill_places(sheet: Sheet, outlines: Sequence[Outline]) -> None:
    frame = sheet.frame
    wrong = frame["timezone"].ne("") & ~frame["timezone"].map(lambda z: z == "" or is_timezone(z)).astype(bool)
    sheet.null(
        wrong,
        "timezone",
        "timezone is not an IANA name such as Asia/Jakarta; the default of country and state is used",
        empty="",
    )
    guessed = np.zeros(len(frame), dtype=bool)
    zones = list(frame["timezone"])
    for row, (country, state) in enumerate(zip(frame["country"], frame["state"], strict=True)):
        place = outlines[row].geometry
        if zones[row] or not sheet.accepted[row] or place is None:
            continue
        zone = default_timezone(country, state)
        guessed[row] = zone is None
        zones[row] = zone or longitude_timezone(place.representative_point().x)
    frame["timezone"] = pd.Series(zones, index=frame.index, dtype="str")
    told = [
        f"no default time zone for {c}: {z} by longitude is used; give timezone"
        for c, z in zip(frame["country"][guessed], frame["timezone"][guessed], strict=True)
    ]
    sheet.fault(guessed, "timezone", told, "repaired", [""] * len(told))
    frame["region"] = frame["region"].where(frame["region"] != "", frame["country"] + ":" + frame["state"])


def _flags(sheet: Sheet, repaired: NDArray[np.bool_], tolerance: float) -> pd.Series:
    frame = sheet.frame
    declared, measured = frame["planted_area_ha"].to_numpy(float), frame["area_geodesic_ha"].to_numpy(float)
    with np.errstate(invalid="ignore"):
        codes = {
            "area_mismatch": np.abs(declared - measured) > tolerance * measured,
            "area_unknown": np.isnan(declared) & np.isfinite(measured),
            "geometry_repaired": repaired,
            "point": frame["is_point"].to_numpy(bool),
        }
    texts = [";".join(sorted(c for c, mask in codes.items() if mask[row])) for row in range(len(frame))]
    return pd.Series(texts, index=frame.index, dtype="str")


def _geo(sheet: Sheet, outlines: Sequence[Outline], columns: Sequence[str]) -> gpd.GeoDataFrame:
    kept = [o.geometry for o, accepted in zip(outlines, sheet.accepted, strict=True) if accepted]
    frame = sheet.result()[list(columns)]
    return gpd.GeoDataFrame(frame, geometry=gpd.GeoSeries(kept, index=frame.index, crs=WGS84), crs=WGS84)
