"""Pictures of the plantations: published PNGs as they are, the outline and a scale bar drawn over them."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pandas as pd
import shapely

from plantation_rwa.grid import reproject
from plantation_rwa.publish.report.data import SummaryData
from plantation_rwa.publish.report.embedded import text
from plantation_rwa.publish.report.markup import clean, is_missing, number
from plantation_rwa.publish.report.view import Plantation, View

#: drawing units along an edge
UNITS = 200
_COLOURS = {
    "B04 B03 B02": "true colour (B04, B03, B02)",
    "B08 B04 B02": "near infrared, red, blue (B08, B04, B02): the scene has no green band",
}
_METRES = tuple(m * 10.0**e for e in range(1, 6) for m in (1, 2, 5))


def chips_data(view: View, data: SummaryData) -> list[dict[str, Any]]:
    """What the script shows of each plantation, in the order of their numbers."""
    known = {str(r["plantation_id"]): r for r in data.chips.to_dict("records")}
    return [_one(p, {str(k): v for k, v in known.get(p.name, {}).items()}) for p in view.plantations]


def _one(plantation: Plantation, row: dict[str, Any]) -> dict[str, Any]:
    pictures = [_url(row.get(name)) for name in ("colour_png", "ndmi_png")]
    reason = clean(row.get("reason"), 200)
    if not any(pictures):
        return {"none": f"No picture: {reason or 'the run published none'}."}
    day, tile = clean(row["acquired"])[:10], clean(row["tile"], 20)
    share = number(100 * float(row["clear_share"]))
    return {
        "pictures": pictures,
        "titles": [_COLOURS[str(row["colour_bands"])], "moisture index NDMI (B8A, B11)"],
        "told": text(f"Sentinel-2 of {day}, tile {tile}, {share} % of the ground clear"),
        "why": f"{reason[0].upper()}{reason[1:]}." if reason else "",
        "outline": _outline(plantation, row),
        "bar": _bar(row),
    }


def _url(png: Any) -> str:
    return "" if png is None or png is pd.NA else "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _outline(plantation: Plantation, row: dict[str, Any]) -> str:
    """Path data of the outline on a square of :data:`UNITS`."""
    if plantation.site is None or is_missing(row.get("side")):
        return ""
    scale = UNITS / float(row["side"])
    shape = reproject(plantation.site.geometry, "EPSG:4326", str(row["crs"]))
    placed = shapely.transform(
        shape, lambda xy: (xy - [float(row["left_edge"]), float(row["top_edge"])]) * [scale, -scale]
    )
    pieces = []
    for part in shapely.get_parts(shapely.simplify(placed, 0.7, preserve_topology=True)):
        for ring in (part.exterior, *part.interiors) if part.geom_type == "Polygon" else ():
            xy = np.rint(shapely.get_coordinates(ring)[:-1]).astype(int)
            pieces.append("M" + "L".join(f"{x} {y}" for x, y in xy) + "Z")
    return "".join(pieces)


def _bar(row: dict[str, Any]) -> dict[str, Any]:
    """The longest round length below a third of the side: units and words."""
    side = float(row["side_m"])
    metres = max((m for m in _METRES if m <= side / 3), default=_METRES[0])
    words = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
    return {"length": round(UNITS * metres / side, 1), "words": words}


def pictures() -> str:
    """The place of the pictures, and what their colours mean."""
    return (
        '<section class="chips" aria-label="Satellite pictures"><div id="one-chips"></div>'
        '<p class="note">The latest month in which one scene shows enough of the ground; white: the outline. Colours '
        "are stretched alike for all plantations. NDMI: brown &minus;0.2 (dry) to blue 0.6 (moist), grey not seen "
        "clearly. Pictures to look at: no number comes from them.</p></section>"
    )
