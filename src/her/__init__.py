"""HER: characters with an inner life, on any language model.

Names are loaded when they are first asked for, so that `import her` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from her.actor import Act, Actor, ActorOptions
    from her.errors import HerError
    from her.markup import Style, format_for_display, parse, remove_system_thinking, render, stream
    from her.models.address import open_model
    from her.models.base import Model, Sampling
    from her.scene import Character, Scene, bundled_scene, load_scene
    from her.turn import VIEWS, Dialogue, Kind, Segment, Turn, View

__version__ = "0.1.0"

_HOMES = {
    "her.actor": ("Act", "Actor", "ActorOptions"),
    "her.errors": ("HerError",),
    "her.markup": ("Style", "format_for_display", "parse", "remove_system_thinking", "render", "stream"),
    "her.models.address": ("open_model",),
    "her.models.base": ("Model", "Sampling"),
    "her.scene": ("Character", "Scene", "bundled_scene", "load_scene"),
    "her.turn": ("VIEWS", "Dialogue", "Kind", "Segment", "Turn", "View"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "VIEWS",
    "Act",
    "Actor",
    "ActorOptions",
    "Character",
    "Dialogue",
    "HerError",
    "Kind",
    "Model",
    "Sampling",
    "Scene",
    "Segment",
    "Style",
    "Turn",
    "View",
    "__version__",
    "bundled_scene",
    "format_for_display",
    "load_scene",
    "open_model",
    "parse",
    "remove_system_thinking",
    "render",
    "stream",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'her' has no attribute {name!r}")
    value: object = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value
