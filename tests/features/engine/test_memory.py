"""Memory of a unit of imagery work."""

from __future__ import annotations

from plantation_rwa.features.engine.memory import RESIDENT, fits, unit_bytes


def test_known_answer() -> None:
    """One observation of NDVI on 1,000 pixels and a classification of 800 x 800: counted by hand."""
    reading = 2 * (2 * 2 * 1024 * 1024) + 2 * 512 * 512 + 80_000 + 1_920_000
    assert unit_bytes(1000, 1, ("ndvi",), tile_edge=800) == reading + 1000 * 12


def test_units_fit_and_lose_no_polygon() -> None:
    pixels = [400_000, 3_000_000, 5_000_000, 10, 20, 9_000_000]
    limit = RESIDENT + unit_bytes(5_500_000, 5)
    found = fits(pixels, 5, limit)
    assert [n for s in found for n in range(len(pixels))[s]] == list(range(len(pixels)))
    assert found == [slice(0, 2), slice(2, 5), slice(5, 6)]
    assert fits([], 5, limit) == []
