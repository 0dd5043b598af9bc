"""The chart library that the report carries along: Bokeh's scripts as its wheel ships them."""

from __future__ import annotations

from functools import lru_cache
from importlib import metadata, resources

#: what the charts need of it: the library, and the part that builds charts from script
_FILES = ("bokeh.min.js", "bokeh-api.min.js")
#: own scripts, in the order in which they build on each other
_OWN = ("data.js", "charts.js", "plantation.js", "portfolio.js", "map.js", "table.js", "start.js")


@lru_cache(maxsize=1)
def scripts() -> tuple[str, ...]:
    """Text of every script of the page, in order; none holds what would end a script element.

    Raises
    ------
    ValueError
        If a script holds the mark that ends a script element.
    """
    folder = resources.files("bokeh").joinpath("server", "static", "js")
    own = resources.files("plantation_rwa.publish.report").joinpath("scripts")
    texts = [folder.joinpath(name).read_text("utf-8") for name in _FILES]
    texts.append('"use strict";\n(() => {\n' + "\n".join(own.joinpath(n).read_text("utf-8") for n in _OWN) + "})();\n")
    if any("</script" in text.lower() or "<!--" in text for text in texts):
        raise ValueError("a script of the report cannot stand inside a page: it holds the end of a script element")
    return tuple(texts)


def library_version() -> str:
    """Version of the chart library."""
    return f"bokeh {metadata.version('bokeh')}"
