"""Keyed random streams: one stream per (seed, driver, key), whatever else is in the batch."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, driver: str, key: str = "") -> np.random.Generator:
    """Counter-based generator for one driver of one plantation (or of a shared factor).

    Parameters
    ----------
    seed
        Run seed of the configuration.
    driver
        Name of the driver, e.g. ``"price"`` or ``"yield_own"``.
    key
        Plantation id, region name, or empty for a driver shared by all.

    Returns
    -------
    numpy.random.Generator
        Philox 4x64, its 128-bit key taken from a SHA-256 of the three arguments, so that adding,
        removing or reordering plantations changes no other plantation's numbers.

    Raises
    ------
    ValueError
        If the driver contains ``|``.
    """
    if "|" in driver:
        # the separator of the hashed text: only the last argument may contain it
        raise ValueError(f"driver {driver!r} must not contain '|'")
    digest = hashlib.sha256(f"{seed}|{driver}|{key}".encode()).digest()
    words = np.frombuffer(digest[:16], dtype="<u8")
    return np.random.Generator(np.random.Philox(key=words))
