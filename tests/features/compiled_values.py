"""The engine's compiled loops behind plain signatures: what tests of single values ask for."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.features.clouds import grow_pixels
from plantation_rwa.features.engine import growth, kernels, selection
from plantation_rwa.features.engine.bits import LENIENT, STRICT
from plantation_rwa.features.engine.layers import Rule
from plantation_rwa.features.engine.marks import tables
from plantation_rwa.features.engine.month import FORMULAS

SCALE = 1e-4


def index_values(name: str, bands: Mapping[str, NDArray[Any]]) -> NDArray[np.float32] | None:
    """Values of an index from reflectances by band; None if it lacks one."""
    kind, needed = FORMULAS[name]
    if any(b not in bands for b in needed):
        return None
    a, b, c = (np.asarray(bands[n] / SCALE, np.float32) for n in (needed * 2)[:3])
    out = np.empty(a.shape, np.float32)
    kernels._formula(kind, a, b, c, np.float32(SCALE), out)
    return out


def reflectance(dn: NDArray[np.uint16], *, nodata: float | None, scale: float, offset: float) -> NDArray[np.float64]:
    """Reflectances of digital numbers, NaN where there are none to believe."""
    scene: Any = SimpleNamespace(assets={"B": SimpleNamespace(nodata=nodata)}, scale=scale, offset=offset)
    rule, out = Rule.of(scene, "B", whole=True), np.empty(dn.shape, np.float32)
    marks, numbers = np.full(dn.shape, STRICT, np.uint8), (np.float32(n) for n in rule.numbers)
    kernels.fill(dn, marks, STRICT, *numbers, np.float32(1), True, out)
    return out.astype(np.float64) * scale


def clear_mask(scl: NDArray[np.uint8], pixel_size: float, profile: str = "strict") -> NDArray[np.bool_]:
    """Clear pixels of a scene classification."""
    marks = growth.marks_of_classes(np.ascontiguousarray(scl, np.uint8), *tables(), grow_pixels(pixel_size))
    clear: NDArray[np.bool_] = marks & (STRICT if profile == "strict" else LENIENT) != 0
    return clear


def weighted_mean(values: NDArray[np.float64], weights: NDArray[Any]) -> float:
    """Weighted mean of the finite values."""
    return float(_summary(values, weights, 0.5)[1])


def weighted_quantile(values: NDArray[np.float64], weights: NDArray[Any], q: float) -> float:
    """Weighted quantile of the finite values."""
    return float(_summary(values, weights, q)[2])


def _summary(values: NDArray[np.float64], weights: NDArray[Any], q: float) -> NDArray[np.float64]:
    out = np.empty(3)
    selection.summarise(values.ravel(), weights.ravel().astype(np.float64), np.array([q]), out)
    return out
