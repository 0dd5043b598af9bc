"""Oil-palm yield forecasts from space and the value of the future revenue right."""

from __future__ import annotations

__version__ = "0.1.0"
CONTRACT_VERSION = "1"

__all__ = ["CONTRACT_VERSION", "__version__"]
