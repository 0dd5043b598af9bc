"""Marks of covered pixels in one observation, from its classification: clear, vegetation, classified."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.errors import ReadError
from plantation_rwa.features.clouds import CLEAR_CLASSES, GROWN_CLASSES, VEGETATION_CLASS, grow_pixels, margin_pixels
from plantation_rwa.features.engine.bits import CLASSIFIED, LENIENT, STRICT, SUPPLIER, VEGETATION
from plantation_rwa.features.engine.layers import CELL, Lattice, OnTile, Part, lattice_of
from plantation_rwa.features.engine.segments import Segments
from plantation_rwa.features.observations import Reader, SceneLike, UnreadableSceneError, scene_grid
from plantation_rwa.features.reflectance import nearest, spread
from plantation_rwa.grid import GridSpec, Window

Failed = dict[int, tuple[SceneLike, str]]


def marks_of(
    scenes: Sequence[SceneLike],
    reader: Reader,
    tile: GridSpec,
    segments: Segments,
    chosen: NDArray[np.bool_],
    out: NDArray[np.uint8],
) -> Failed:
    """Marks of one observation: class codes of :mod:`plantation_rwa.features.clouds`, clouds and shadows grown.

    A source without classification is clear everywhere and has no vegetation; a pixel that no scene classifies has no
    mark. Each classification is read once, around the polygons as far as clouds grow.

    Parameters
    ----------
    scenes
        Of one datatake, in order of precedence.
    tile
        Finest grid.
    chosen
        Segments that are to be looked at.
    out
        Marks by place, written.

    Returns
    -------
    dict
        Scene and message by segment that needs what cannot be read.
    """
    classified = [(k, s) for k, s in enumerate(scenes) if "SCL" in s.assets]
    if not classified:
        out[:] = STRICT | LENIENT
        return {}
    files: list[OnTile] = []
    for _, scene in classified:
        try:
            grid = scene_grid(scene, "SCL", reader)
            if grid.crs != tile.crs:
                raise UnreadableSceneError(scene.id, "SCL", f"lies in {grid.crs}, its bands in {tile.crs}")
        except UnreadableSceneError as error:
            return dict.fromkeys(np.flatnonzero(chosen).tolist(), (scene, error.message))
        asset = scene.assets["SCL"]
        files.append(OnTile(asset, grid, lattice_of(grid, tile), tile, 0.0, reader.edge(asset)))
    places = [f.place for f in files if f.place is not None]
    if len(places) < len(files) or any(p.shift != places[0].shift for p in places):
        return _cell_by_cell(classified, files, reader, segments, chosen, out)
    return _together(classified, files, places[0], reader, segments, chosen, out)


def _together(
    scenes: Sequence[tuple[int, SceneLike]],
    files: Sequence[OnTile],
    place: Lattice,
    reader: Reader,
    segments: Segments,
    chosen: NDArray[np.bool_],
    out: NDArray[np.uint8],
) -> Failed:
    """All needed cells of classifications that share a lattice, then the marks cell by cell."""
    from plantation_rwa.features.engine import growth, kernels

    failed: Failed = {}
    box = segments.box[chosen]
    if not len(box):
        return failed
    shift, size = place.shift, files[0].grid.pixel_size
    margin = margin_pixels(size)
    # pixels of the classification that can change the marks of a segment, and the cells they lie in
    around = np.concatenate([(box[:, :2] >> shift) - margin, ((box[:, 2:] - 1) >> shift) + 1 + margin], axis=1)
    reaches = np.array([f.reach for f in files])
    first, last = reaches[:, :2].min(axis=0), reaches[:, 2:].max(axis=0)
    around = np.clip(around, np.tile(first, 2), np.tile(last, 2))
    cells = np.concatenate([around[:, :2] // CELL, -(-around[:, 2:] // CELL)], axis=1)
    (top, left), (bottom, right) = cells[:, :2].min(axis=0) * CELL, cells[:, 2:].max(axis=0) * CELL
    classes = np.zeros((int(bottom - top), int(right - left)), np.uint8)
    supplier = np.zeros_like(classes) if len(scenes) > 1 else None
    looking, numbers = np.ones(len(box), bool), np.flatnonzero(chosen)
    for n, ((k, scene), file) in enumerate(zip(scenes, files, strict=True)):
        if n > 0:
            # the next scene of the datatake is asked where one of a segment's pixels is not classified yet
            local = (around - np.array([top, left] * 2)).tolist()
            looking &= np.array([not classes[r0:r1, c0:c1].all() for r0, c0, r1, c1 in local], bool)
        wanted = {
            (r, c)
            for r0, c0, r1, c1 in set(map(tuple, cells[looking].tolist()))
            for r in range(r0, r1)
            for c in range(c0, c1)
        }
        for part in file.parts(reader, wanted):
            if isinstance(part, Part):
                y, x = part.row - int(top), part.col - int(left)
                held = classes[y : y + part.pixels.shape[0], x : x + part.pixels.shape[1]]
                if supplier is None:  # nearly all datatakes
                    held[:] = part.pixels.astype(np.uint8, copy=False)
                    continue
                new = held == 0
                held[new] = part.pixels.astype(np.uint8, copy=False)[new]
                supplier[y : y + new.shape[0], x : x + new.shape[1]][new & (held != 0)] = k
                continue
            (r, c), message = part
            hit = looking & (cells[:, 0] <= r) & (r < cells[:, 2]) & (cells[:, 1] <= c) & (c < cells[:, 3])
            for segment in numbers[hit].tolist():
                failed.setdefault(segment, (scene, message))
    table, grown = tables()
    # the file's own edge is where the border repeats
    edge = np.array([-place.row, -place.col, files[0].grid.height - place.row, files[0].grid.width - place.col])
    looked = np.zeros(len(segments.cells), bool)
    looked[segments.cell[chosen]] = True
    for cell in np.flatnonzero(looked).tolist():
        wide = CELL >> shift
        r0, c0 = (int(v) for v in segments.cells[cell] * wide)
        y0, x0 = max(r0 - margin, int(edge[0]), int(top)), max(c0 - margin, int(edge[1]), int(left))
        y1 = min(r0 + wide + margin, int(edge[2]), int(bottom))
        x1 = min(c0 + wide + margin, int(edge[3]), int(right))
        marks = np.zeros((wide, wide), np.uint8)
        if y1 > y0 and x1 > x0:
            around_cell = np.ascontiguousarray(classes[y0 - top : y1 - top, x0 - left : x1 - left])
            found = growth.marks_of_classes(around_cell, table, grown, grow_pixels(size))
            if supplier is not None:
                found |= supplier[y0 - top : y1 - top, x0 - left : x1 - left] << SUPPLIER
            a, b, c, d = max(y0, r0), min(y1, r0 + wide), max(x0, c0), min(x1, c0 + wide)
            marks[a - r0 : b - r0, c - c0 : d - c0] = found[a - y0 : b - y0, c - x0 : d - x0]
        kernels.gather(segments.runs_of(cell), marks, r0, c0, shift, out)
    return failed


def tables() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Marks of each class code, and which classes grow."""
    table, grown = np.full(256, CLASSIFIED, np.uint8), np.zeros(256, np.uint8)
    table[0] = 0
    for profile, mark in (("strict", STRICT), ("lenient", LENIENT)):
        table[list(CLEAR_CLASSES[profile])] |= mark
    table[VEGETATION_CLASS] |= VEGETATION
    grown[list(GROWN_CLASSES)] = 1
    return table, grown


def _cell_by_cell(
    scenes: Sequence[tuple[int, SceneLike]],
    files: Sequence[OnTile],
    reader: Reader,
    segments: Segments,
    chosen: NDArray[np.bool_],
    out: NDArray[np.uint8],
) -> Failed:
    """The same for classifications on other lattices: on the tile's own pixels, each cell by itself."""
    from plantation_rwa.features.engine import kernels

    failed: Failed = {}
    tile = files[0].tile
    for cell in np.unique(segments.cell[chosen]).tolist():
        row, col = (int(v) for v in segments.cells[cell] * CELL)
        window = Window(row, col, min(CELL, tile.height - row), min(CELL, tile.width - col))
        found = _marked(scenes, files, reader, tile.crop(window))
        if isinstance(found, np.ndarray):
            kernels.gather(segments.runs_of(cell), found, row, col, 0, out)
        else:
            for segment in np.flatnonzero(chosen & (segments.cell == cell)).tolist():
                failed[segment] = found
    return failed


def _marked(
    scenes: Sequence[tuple[int, SceneLike]], files: Sequence[OnTile], reader: Reader, grid: GridSpec
) -> NDArray[np.uint8] | tuple[SceneLike, str]:
    """Marks on any grid, classified on the lattice of the first scene; or the scene that cannot be read, and why."""
    from plantation_rwa.features.engine import growth

    native = files[0].grid
    nothing = np.zeros((grid.height, grid.width), np.uint8)
    edge = (margin_pixels(native.pixel_size) + 1) * native.pixel_size
    xmin, ymin, xmax, ymax = grid.bounds
    window = native.window_of((xmin - edge, ymin - edge, xmax + edge, ymax + edge))
    if window is None:
        return nothing
    around = native.crop(window)
    classes = np.zeros((around.height, around.width), np.uint8)
    supplier = np.zeros_like(classes)
    for (k, scene), file in zip(scenes, files, strict=True):
        source, rows, cols = nearest(file.grid, around)
        if source is None:
            continue
        try:
            found = spread(reader.read(file.asset, source), rows, cols, 0).astype(np.uint8)
        except ReadError as error:
            return scene, str(error)
        new = (classes == 0) & (found != 0)
        classes[new], supplier[new] = found[new], k
        if classes.all():
            break
    marks = growth.marks_of_classes(classes, *tables(), grow_pixels(native.pixel_size)) | supplier << SUPPLIER
    inner, rows, cols = nearest(around, grid)
    if inner is None:
        return nothing
    inside = marks[inner.row : inner.row + inner.height, inner.col : inner.col + inner.width]
    return np.ascontiguousarray(spread(inside, rows, cols, 0).astype(np.uint8))
