"""The section ``compliance``: what the screening of land is given to look at."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field as F

from plantation_rwa.config_types import Paths, Section, Texts

_KNOWN = "Date at which it became known; earlier valuation dates do not see it. Absent: always known."


class LayerConfig(Section):
    """A map that answers one of the four questions of the perennial-crop tree."""

    name: str = F(min_length=1, description="Name of the data set, as evidence names it.")
    kind: Literal["treecover_2020", "commodity_2020", "disturbance_before_2020", "disturbance_after_2020"] = F(
        alias="class", description="Question that the map answers."
    )
    path: Paths = F(description="GeoTIFF (tiles as a list or pattern), GeoParquet, GeoPackage, GeoJSON or Shapefile.")
    version: str = F(default="", description="Version of the data set, as evidence names it.")
    licence: str = F(default="", description="Licence of the data set.")
    values: list[float] | None = F(default=None, min_length=1, description="Pixel values that mean yes.")
    lower: float | None = F(default=None, description="Least pixel value that means yes.")
    upper: float | None = F(default=None, description="Greatest pixel value that means yes.")
    extent: Annotated[list[float], F(min_length=4, max_length=4)] | None = F(
        default=None,
        description="West, south, east, north that a vector map speaks for; absent: the bounds of its polygons.",
    )
    known_at: dt.date | None = F(default=None, strict=False, description=_KNOWN)


class WhispConfig(Section):
    """A result of FAO's Whisp."""

    path: Paths = F(description="Table of Whisp, CSV or Parquet.")
    id_column: str = F(default="external_id", min_length=1, description="Column that holds the plantation_id.")
    version: str = F(default="", description="Version of Whisp and its data sets, as evidence names it.")
    known_at: dt.date | None = F(default=None, strict=False, description=_KNOWN)


class TracesConfig(Section):
    """Export of outlines for the EU information system."""

    producer_name: str | None = F(
        default=None, min_length=1, description="ProducerName of every plot; absent: the name of its sponsor."
    )


class ComplianceConfig(Section):
    """Evidence on land; what is not given is reported as not checked."""

    layers: list[LayerConfig] = F(default=[], description="Maps of tree cover, commodity and disturbance.")
    whisp: WhispConfig | None = F(default=None, description="A supplied result of Whisp.")
    published: Texts | None = F(
        default=None, description="Output folders or vector files with plantations that were published elsewhere."
    )
    boundaries: Paths | None = F(default=None, description="Country outlines with the column country, ISO 3166-1.")
    countries: Paths | None = F(default=None, description="Risk class of countries.")
    tenure: Paths | None = F(default=None, description="Land titles.")
    sanctions: Paths | None = F(default=None, description="Names on sanctions lists.")
    documents: Paths | None = F(default=None, description="Documents with their hashes.")
    traces: TracesConfig | None = F(default=None, description="Write a GeoJSON of the plots in the form of TRACES.")
    assumptions: dict[str, Any] = F(
        default={}, description="Overrides of the packaged screening assumptions by dotted key."
    )

    def resolved(self, find: Callable[[str, str], list[str]]) -> ComplianceConfig:
        """A copy whose layers and Whisp tables have full paths.

        Parameters
        ----------
        find
            Called with an entry and its key; returns the files it stands for.
        """
        layers = [
            layer.model_copy(update={"path": [p for e in layer.path for p in find(e, f"layers.{n}.path")]})
            for n, layer in enumerate(self.layers)
        ]
        whisp = self.whisp
        if whisp is not None:
            whisp = whisp.model_copy(update={"path": [p for e in whisp.path for p in find(e, "whisp.path")]})
        return self.model_copy(update={"layers": layers, "whisp": whisp})
