"""Charts as SVG that stands inside a page: in the page's colours, with words a screen reader finds, loading nothing."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..wording import plain, shortened

# Drawn in these, then named: so that a page can be light, dark or printed.
_COLOURS = {
    "#010101": "var(--ink)",
    "#020202": "var(--line)",
    "#030303": "var(--first)",
    "#040404": "var(--second)",
    "#050505": "var(--third)",
    "#060606": "var(--on-first)",
    "#070707": "var(--on-second)",
    "#080808": "var(--on-third)",
}
_INK, _LINE, *_REST = _COLOURS
_FILLS, _INSIDE = _REST[:3], _REST[3:]
_SVG = "{http://www.w3.org/2000/svg}"
# Addresses of vocabularies, and a style that would hold for the whole page.
_LEFT_OUT = (f"{_SVG}metadata", f"{_SVG}style")
_FONT = re.compile(r"font-family: [^;]*; ?")
_XLINK = "{http://www.w3.org/1999/xlink}href"
_WIDTH_INCHES = 6.0
_ROW_INCHES = 0.6
_FRAME_INCHES = 0.55
_BAR = 0.36
_FONT_POINTS = 12
_LONGEST_LABEL = 56
# A number needs so much of a bar's length to stand inside it.
_ROOM_FOR_NUMBER = 0.1


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, the length of each part, the words at its end, and perhaps a number inside each part."""

    label: str
    parts: tuple[float, ...]
    told: str
    inside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars to be drawn below each other; ``parts`` name the parts of a bar where it has several."""

    title: str
    description: str
    bars: tuple[Bar, ...]
    parts: tuple[str, ...] = ()


def svg(chart: Chart, name: str) -> str:
    """The chart as an ``svg`` element; ``name`` is unique on the page and begins each of its ids."""
    with (
        mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": _FONT_POINTS}),
        warnings.catch_warnings(),
    ):
        # Only the browser needs the letters of every script.
        warnings.filterwarnings("ignore", message="Glyph")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        figure = _figure(chart)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    return _inline(drawn.getvalue(), chart, name)


def _figure(chart: Chart) -> Figure:
    legend = _FRAME_INCHES if chart.parts else 0.1
    height = legend + _ROW_INCHES * len(chart.bars)
    figure = Figure(figsize=(_WIDTH_INCHES, height))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1 - legend / height))
    axes.set_axis_off()
    axes.set_ylim(len(chart.bars) - 0.02, 0)
    longest = max((sum(bar.parts) for bar in chart.bars), default=0) or 1
    room = max((len(bar.told) for bar in chart.bars), default=0)
    # The words at the end of the longest bar need their room, too.
    axes.set_xlim(0, longest / (1 - min(0.5, 0.03 + 0.018 * room)))
    for place, bar in enumerate(chart.bars):
        _draw(axes, place, bar, longest)
    if chart.parts:
        _legend(figure, chart.parts, 1 - 0.5 * legend / height)
    return figure


def _draw(axes: Axes, place: int, bar: Bar, longest: float) -> None:
    label = shortened(plain(bar.label), _LONGEST_LABEL)
    axes.text(0, place + 0.44, label, color=_INK, va="bottom", ha="left", parse_math=False)
    axes.plot([0, 0], [place + 0.5, place + 0.92], color=_LINE, linewidth=1)
    left = 0.0
    for number, part in enumerate(bar.parts):
        axes.barh(place + 0.71, part, _BAR, left, color=_FILLS[number], linewidth=0)
        if bar.inside and part / longest >= _ROOM_FOR_NUMBER:
            words, middle = bar.inside[number], left + part / 2
            axes.text(middle, place + 0.71, words, color=_INSIDE[number], va="center_baseline", ha="center")
        left += part
    axes.annotate(
        bar.told, (left, place + 0.71), (5, 0), textcoords="offset points", color=_INK, va="center_baseline",
        parse_math=False,
    )  # fmt: skip


def _legend(figure: Figure, parts: Sequence[str], height: float) -> None:
    for number, part in enumerate(parts):
        left = number / 3
        figure.text(left, height, "■", color=_FILLS[number], va="center_baseline", fontsize=_FONT_POINTS + 4)
        figure.text(left + 0.04, height, part, color=_INK, va="center_baseline", parse_math=False)


def _inline(drawn: bytes, chart: Chart, name: str) -> str:
    """What was drawn, with ids of its own, colours by name, a title and a description; without any address."""
    root = ElementTree.fromstring(drawn)  # noqa: S314  # drawn here, a moment ago
    for parent in list(root.iter()):
        for child in [c for c in parent if c.tag in _LEFT_OUT]:
            parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        for attribute, value in list(element.attrib.items()):
            del element.attrib[attribute]
            if attribute == "id":
                element.set("id", f"{name}-{value}")
            elif attribute == _XLINK:
                element.set("href", value.replace("#", f"#{name}-"))
            else:
                element.set(attribute, _named(value.replace("url(#", f"url(#{name}-")))
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-description")
    _first(root, "desc", f"{name}-description", chart.description)
    _first(root, "title", f"{name}-title", chart.title)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _named(value: str) -> str:
    for colour, variable in _COLOURS.items():
        value = value.replace(colour, variable)
    return _FONT.sub("", value)


def _first(root: ElementTree.Element, tag: str, id_: str, words: str) -> None:
    element = ElementTree.Element(tag, {"id": id_})
    element.text = words
    root.insert(0, element)
