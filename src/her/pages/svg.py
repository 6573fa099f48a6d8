"""Drawings: an SVG that follows the page's colours, stands alone as a file too, and says in words what it shows.

Knows how matplotlib's SVG becomes one that needs no style attributes, which a page's policy forbids. Refuses to know
what is drawn (`plots`, `flow`).
"""

from __future__ import annotations

import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from her.errors import InputError
from her.pages.colours import COLOURS, variables
from her.pages.page import visible, write

FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'Liberation Sans', sans-serif"
"""The font of text in a drawing that stands alone; in a page it has the page's."""

_DRAWN = {light: name for name, (light, _) in reversed(COLOURS.items())}
_KEPT = re.compile(r"(?:fill|stroke|font-size|font-weight|font-style|text-anchor|opacity|clip)")


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawing with its title and what it says in words; `svg` is empty where there was nothing to draw.

    A template writes it as `{{ drawing }}`: a figure with its caption, or else a sentence. `png` makes the picture in
    light colours, and is None for drawings that are SVG alone.
    """

    title: str
    says: str
    svg: str = ""
    png: Callable[[Path], None] | None = None

    def __html__(self) -> str:
        """The figure as HTML, its texts escaped."""
        title, says = escape(visible(self.title)), escape(visible(self.says))
        if not self.svg:
            return f'<p class="empty"><b>{title}.</b> {says}</p>'
        return f'<figure class="plot">{self.svg}<figcaption>{title}</figcaption></figure>'

    def alone(self) -> str:
        """The SVG as a file of its own, light or dark as the reader's screen is. Raises InputError for an empty one."""
        if not self.svg:
            raise InputError(f"{self.title}: {self.says}; there is nothing to write into a picture")
        colours = variables(within="svg")
        style = f"<style>{colours}svg{{color:var(--ink);background:var(--paper);font-family:{FONT}}}</style>"
        return self.svg.replace(">", f">{style}", 1) + "\n"

    def write(self, target: Path) -> Path:
        """Writes the picture at `target`, as SVG or PNG by its suffix. Raises InputError and StorageError."""
        if target.suffix == ".svg":
            return write(target, self.alone())
        if target.suffix != ".png" or self.png is None or not self.svg:
            kinds = ".svg or .png" if self.png else ".svg"
            raise InputError(f"{target}: {self.title}: write it as {kinds}, where there is something to draw")
        target.parent.mkdir(parents=True, exist_ok=True)
        self.png(target)
        return target


def framed(body: str, size: tuple[float, float], title: str, says: str) -> str:
    """An `svg` element of this body (markup) and size in points, with its title and description (texts)."""
    width, height = (f"{side:g}" for side in size)
    key = hashlib.sha256(f"{title}\n{says}\n{body}".encode()).hexdigest()[:8]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-labelledby="t{key} d{key}">'
        f'<title id="t{key}">{escape(visible(title))}</title><desc id="d{key}">{escape(visible(says))}</desc>'
        f"{body}</svg>"
    )


def restyled(svg: str, title: str, says: str) -> str:
    """Matplotlib's SVG as an `svg` element: attributes for styles, variables for colours, names of its own for ids."""
    root = ET.fromstring(svg)
    width, height = (float(side) for side in root.attrib["viewBox"].split()[2:])
    key = hashlib.sha256(f"{title}\n{says}\n{svg}".encode()).hexdigest()[:8]
    used = set(re.findall(r"#(\w+)", svg))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        attributes = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
        style = dict(_rules(attributes.pop("style", "")))
        attributes |= {name: _coloured(value) for name, value in style.items() if _KEPT.match(name)}
        if attributes.get("id") not in used:
            attributes.pop("id", None)
        for name in {"id", "href", "clip-path"} & attributes.keys():
            attributes[name] = (
                f"x{key}{attributes[name]}" if name == "id" else attributes[name].replace("#", f"#x{key}")
            )
        element.attrib = attributes
        element.tail = None
        if element.tag not in {"text", "tspan"}:
            element.text = None
    body = "".join(ET.tostring(child, "unicode") for child in root if child.find("style") is None)
    joins = 'stroke-linejoin="round" fill="currentColor"'
    return framed(f"<g {joins}>{body}</g>", (width, height), title, says)


def _rules(style: str) -> list[tuple[str, str]]:
    pairs = (rule.partition(":") for rule in style.split(";") if ":" in rule)
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def _coloured(value: str) -> str:
    name = _DRAWN.get(value.lower())
    return value if name is None else "currentColor" if name in {"ink", "speech"} else f"var(--{name})"
