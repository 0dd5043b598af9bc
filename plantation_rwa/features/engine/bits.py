"""What the engine's loops and their callers agree on: marks of a pixel, and the slot of a layer that is not there."""

from __future__ import annotations

#: marks of a pixel in one observation: clear by the strict profile, by the lenient one, vegetation, classified
STRICT, LENIENT, VEGETATION, CLASSIFIED = 1, 2, 4, 8
#: in the bits from here on: which scene of the datatake classified it
SUPPLIER = 4
#: slot of a layer that is not there
NOWHERE = -1
#: bands of the checks: red, infrared, blue, short-wave infrared
CHECKED = ("B04", "B08", "B02", "B12")
#: figures of a scene under one offset: dark share, then medians of red, blue, NDVI, short-wave infrared
FIGURES = 5
