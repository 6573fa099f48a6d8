"""One page: a template and its fields become one HTML file that needs nothing else to be read.

Knows how a page is put together, what it may load (nothing), and that every text in it is somebody else's. Refuses to
know what a page is about: a trade brings its templates, in `her/<trade>/templates`, and the fields.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from her.errors import MissingExtra, StorageError
from her.pages.colours import variables
from her.turn import Kind

KINDS = {
    Kind.SYSTEM_THINKING: ("plan", "plan"),
    Kind.ROLE_THINKING: ("thought", "thinks"),
    Kind.ROLE_ACTION: ("action", "does"),
    Kind.SPEECH: ("speech", "says"),
}
"""How a page calls each kind of segment: a short name, also that of its colour, and a word for the margin."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")
NOTHING = "–"
"""What stands for a value that is not there."""


def render(template: str, **fields: object) -> str:
    """The page that `template` makes of these fields, such as `render("synth/report.html", title="…")`.

    Every field is escaped, and controls that turn or hide text are written out as their numbers. A field that the
    template asks for and was not given raises jinja2.UndefinedError. Raises MissingExtra.
    """
    return str(environment().get_template(template).render(**fields))


@cache
def environment() -> Any:
    """The jinja2.Environment of all pages, made once: everything escaped, nothing undefined. Raises MissingExtra."""
    try:
        import jinja2  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtra("a page", "pages") from error
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": number, "share": share, "duration": duration, "language": language}
    style, script = _asset("page.css"), _asset("page.js")
    style = variables() + style
    made.globals |= {
        "KINDS": {str(kind): names for kind, names in KINDS.items()},
        "style": style,
        "script": script,
        "policy": "; ".join(
            (
                "default-src 'none'",
                f"style-src '{_digest(style)}'",
                f"script-src '{_digest(script)}'",
                "img-src data:",
                "base-uri 'none'",
                "form-action 'none'",
            )
        ),
    }
    return made


def write(target: Path, text: str) -> Path:
    """Puts the text at `target`, whole or not at all, and gives `target` back. Raises StorageError."""
    draft = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8", newline="\n")
        os.replace(draft, target)
    except OSError as error:
        raise StorageError(f"{target}: cannot be written: {error.strerror or error}; give another place") from error
    return target


def visible(text: str) -> str:
    """The text with controls that turn, hide or end text written out, such as `[U+202E]`; line breaks stay."""
    text = text.replace("\r\n", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    return _UNSEEN.sub(lambda match: f"[U+{ord(match.group()):04X}]", text)


def number(value: float | None, places: int | None = None) -> str:
    """A number for people: `1,234`, `0.25`, `1.2e-05`; a dash for None."""
    if value is None:
        return NOTHING
    if places is not None:
        return f"{value:,.{places}f}"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.2f}".rstrip("0").rstrip(".") if abs(value) >= 1 else f"{value:.3g}"


def share(value: float | None) -> str:
    """A share in 0..1 as per cent, such as `12.5 %`; a dash for None."""
    return NOTHING if value is None else f"{100 * value:.1f}\u00a0%"


def duration(seconds: float | None) -> str:
    """A time for people: `0.4 s`, `12 min 5 s`, `3 h 20 min`; a dash for None."""
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return f"{seconds:.1f}\u00a0s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,}\u00a0h {minutes}\u00a0min" if hours else f"{minutes}\u00a0min {rest}\u00a0s"


def language(tag: str) -> str:
    """The tag where it is one of BCP-47, else `und`, so that nothing else stands in an attribute."""
    return tag if _LANGUAGE.fullmatch(tag) else "und"


def _shown(value: object) -> object:
    """What the page writes for a value: text is made visible, None is a dash; what is HTML already stays."""
    if value is None:
        return NOTHING
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _source(name: str) -> str | None:
    part, _, file = name.partition("/")
    found = files("her").joinpath(part, "templates", f"{file}.j2")
    return found.read_text("utf-8") if found.is_file() else None


def _asset(name: str) -> str:
    return files("her.pages").joinpath("templates", name).read_text("utf-8")


def _digest(text: str) -> str:
    """The hash by which a content security policy lets one text through, and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
