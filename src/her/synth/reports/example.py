"""The page that shows what synthesis does: a few scenes, each beside its novel, with minds, plans and refusals.

Knows what stands on that page, and which errors were planted to show the gates at work. Refuses to choose the scenes:
they are given, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from her.errors import InputError
from her.pages.page import number, render, share, write
from her.rows.record import Evidence, Refusal, SceneRow
from her.rows.report import Quarantined
from her.synth.reports.beside import SceneView, scene_view
from her.synth.reports.measures import Tally, measure, spread
from her.turn import Kind

TITLE = "From a novel to a mind"
LEAD = (
    "Beside each paragraph of the novel stands what was made of it: the same words, spoken by the same people, now "
    "with the mind behind them and with the author’s plan for each turn. Whatever a gate refused on the way is said "
    "beside the turn that it concerns."
)


@dataclass(frozen=True, slots=True)
class Preface:
    """What the page says before its scenes: a title, one sentence or two, and where text and minds come from, a
    paragraph each."""

    title: str = TITLE
    lead: str = LEAD
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Planted:
    """An error that was put into an answer on purpose: `what` it is, in words, and what the gate said of it.

    `row` is the id of the scene; `refusal` tells the place in it as a row's own refusals do. `mended`: the error stood
    in the first answer alone, and the second went through. The scenes on the page are those of a run without it.
    """

    row: str
    what: str
    refusal: Refusal
    mended: bool = False


@dataclass(frozen=True, slots=True)
class ShownScene:
    """A scene as this page shows it: `beside` are the planted errors by the number of their turn, `whole` those that
    concern no turn, `evidence` what was added to its fields and why."""

    view: SceneView
    evidence: tuple[Evidence, ...]
    beside: Mapping[int, tuple[Planted, ...]]
    whole: tuple[Planted, ...]


def write_example(
    rows: Sequence[SceneRow],
    lost: Iterable[Quarantined],
    texts: Mapping[str, str],
    target: Path,
    *,
    preface: Preface = Preface(),
    planted: Sequence[Planted] = (),
) -> Path:
    """Writes the page of these scenes at `target`, and gives `target` back.

    `lost` are scenes that were dropped on the way; `texts` are the normalised texts of books by slug. A scene whose
    book is not among them, or is not the text that it was made of, stands without the novel. Raises InputError for
    no scenes and for a planted error in a scene that is not shown, StorageError and MissingExtra.
    """
    if not rows:
        raise InputError(f"{target}: an example page needs at least one scene; give rows that have come through")
    if strange := [one.row for one in planted if one.row not in {row.id for row in rows}]:
        raise InputError(f"{target}: an error is planted in {strange[0]!r}, which is not shown; give that row too")
    scenes = [
        _shown(row, texts.get(row.source.slug), f"scene-{at}", [one for one in planted if one.row == row.id])
        for at, row in enumerate(rows, 1)
    ]
    fields = {
        "preface": preface,
        "scenes": scenes,
        "figures": _figures(rows),
        "planted": [(scene, one, at) for scene in scenes for one, at in _in_order(scene)],
        "lost": [(one.stage, one.id, one.reason, one.detail) for one in lost],
    }
    return write(target, render("synth/example.html", title=preface.title, **fields))


def _shown(row: SceneRow, text: str | None, anchor: str, planted: Sequence[Planted]) -> ShownScene:
    beside: dict[int, tuple[Planted, ...]] = {}
    for at, turn in enumerate(row.turns, 1):
        if own := tuple(one for one in planted if one.refusal.where == turn.id):
            beside[at] = own
    placed = {one for own in beside.values() for one in own}
    whole = tuple(one for one in planted if one not in placed)
    return ShownScene(scene_view(row, text, anchor), row.evidence, beside, whole)


def _in_order(scene: ShownScene) -> list[tuple[Planted, int | None]]:
    """The planted errors of a scene with the numbers of their turns, those of no turn last."""
    beside = [(one, at) for at, own in sorted(scene.beside.items()) for one in own]
    return [*beside, *((one, None) for one in scene.whole)]


def _figures(rows: Sequence[SceneRow]) -> list[tuple[str, str, str]]:
    """What the scenes were and what they are, in figures: name, before, after."""
    measured = measure(rows)
    before, after = _told(measured.before), _told(measured.after)
    return [(name, before[name], after[name]) for name in after]


def _told(tally: Tally) -> dict[str, str]:
    found = tally.all_layouts
    thought, deed, plan = (tally.words[kind] for kind in (Kind.ROLE_THINKING, Kind.ROLE_ACTION, Kind.SYSTEM_THINKING))
    return {
        "layouts: orders of thought, deed and speech": number(found.distinct),
        "their entropy, in bits": number(found.entropy, 2),
        "share of the most frequent": share(found.top_share),
        "most turns in a row with the same": number(found.longest_run),
        "turns with a thought": number(thought.total()),
        "turns with a deed": number(deed.total()),
        "turns with a plan": number(plan.total()),
        "words of thought in a turn, median": number(spread(thought).median),
        "words of a plan, median": number(spread(plan).median),
        "stock phrases per 1,000 words": number(tally.stock_rate(*Kind), 2),
    }
