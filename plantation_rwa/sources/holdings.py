"""What an imagery source holds, in words: for whoever finds that none of it can be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

Box = tuple[float, float, float, float]
#: why an item of a cloudier scene than is configured is not used
TOO_CLOUDY = "cloudier than imagery.max_cloud_cover"
#: names that a text lists
_SHOWN = 5


@dataclass
class Held:
    """One item: where and when, and why it was refused (empty if it was not)."""

    collection: str
    acquired: pd.Timestamp | None = None
    box: Box | None = None
    refused: str = ""


@dataclass
class Holdings:
    """Items that a source was seen to hold, those of other collections and the refused ones too.

    Parameters
    ----------
    items
        By the place where each stands, so that an item that two searches find counts once.
    collections
        Names that an API lists; empty for documents, which name them in their items.
    """

    items: dict[Hashable, Held] = field(default_factory=dict)
    collections: tuple[str, ...] = ()

    def merged(self, other: Holdings) -> Holdings:
        """Both together."""
        return Holdings(self.items | other.items, (*self.collections, *other.collections))

    def told(self) -> str:
        """Number of items, their collections, period and bounding box, and how many were refused for what."""
        every = list(self.items.values())
        if not every:
            return f"the source lists the collections {_names(self.collections)}" if self.collections else "0 items"
        counts = Counter(h.collection or "none named" for h in every)
        names = _names([f"{name} {n}" for name, n in sorted(counts.items())])
        parts = [f"{len(every)} item{'' if len(every) == 1 else 's'}: {names}"]
        times = sorted(h.acquired for h in every if h.acquired is not None)
        if times:
            parts.append(f"{times[0].date()} to {times[-1].date()}")
        boxes = [h.box for h in every if h.box is not None]
        if boxes:
            edges = (*(min(b[n] for b in boxes) for n in (0, 1)), *(max(b[n] for b in boxes) for n in (2, 3)))
            parts.append("west, south, east, north " + ", ".join(f"{v:.4f}" for v in edges))
        refused = Counter(h.refused for h in every if h.refused)
        if refused:
            reason, n = min(refused.items(), key=lambda e: (-e[1], e[0]))
            parts.append(f"{refused.total()} of them refused, {n} because: {reason}")
        return "; ".join(parts)

    def remedy(self, wanted: Sequence[str], first: pd.Timestamp, box: Box) -> str:
        """What to do, by what keeps the items from being used.

        Parameters
        ----------
        wanted
            Configured collections.
        first
            Start of the period that was asked for.
        box
            West, south, east, north of the plantations.
        """
        every = list(self.items.values())
        names = sorted({h.collection for h in every if h.collection} | set(self.collections))
        if names and not set(names) & set(wanted):
            return f"Give imagery.collections the names that the source uses: {_names(names)}."
        if not every:
            return "Check that imagery.source is the right file or address, and imagery.start."
        if all(h.refused for h in every if h.collection in wanted or not h.collection):
            if all(h.refused == TOO_CLOUDY for h in every if h.refused):
                return "Raise imagery.max_cloud_cover."
            return "Mend or replace the refused items; check lists each."
        if all(h.acquired is not None and h.acquired < first for h in every):
            return "Set imagery.start to a month that the items reach."
        if all(h.box is not None and not _meet(h.box, box) for h in every):
            return "Check the register's coordinates, and give items of the plantations' tiles."
        return "Check imagery.start, imagery.max_cloud_cover and the register's coordinates."


def box_of(item: Mapping[str, object]) -> Box | None:
    """Bounding box that an item states, heights left out; None if it states none."""
    box = item.get("bbox")
    if not isinstance(box, Sequence) or isinstance(box, str) or len(box) not in {4, 6}:
        return None
    half = len(box) // 2
    edges = (box[0], box[1], box[half], box[half + 1])
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in edges):
        return None
    west, south, east, north = map(float, edges)
    return (west, south, east, north) if south <= north else None


def _meet(a: Box, b: Box) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
