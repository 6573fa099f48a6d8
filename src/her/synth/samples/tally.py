"""The counts of a data set while it is written.

Knows scenes, lessons and reasons as they come by. Refuses to keep anything of a scene but its id.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from her.rows.record import SceneRow
from her.synth.options import PURPOSES
from her.synth.samples.editions import Edition
from her.synth.samples.lessons import Lesson
from her.synth.samples.report import BookUse, Checked, Made, SampleReport, Turns, known_as
from her.synth.samples.survey import SampleOptions, Survey, edition_of
from her.turn import ENVIRONMENT, Kind

FAR = 0.1
"""How far a purpose may be from its share of the scenes before the report says so; ours."""


class Tally:
    """The counts of the second look, and the ids that have come."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self._scenes, self._kept_out, self._languages = Counter[str](), Counter[str](), Counter[str]()
        self._turns: dict[str, Counter[str]] = defaultdict(Counter)
        self._made: Counter[tuple[str, str, tuple[str, ...]]] = Counter()
        self._books: dict[tuple[Edition, str, str], Counter[str]] = defaultdict(Counter)
        self._prompts: set[str] = set()
        self._parts = 0

    def keep_out(self, row: SceneRow, reason: str) -> None:
        """Counts a scene that stays out."""
        self._kept_out[reason] += 1
        self._book(row)["kept out"] += 1

    def scene(self, row: SceneRow, purpose: str) -> None:
        """Counts a scene, and its turns that are no lessons."""
        self._scenes[purpose] += 1
        self._book(row)["scenes"] += 1
        self._languages[row.language] += 1
        turns = self._turns[purpose]
        turns["all"] += len(row.turns)
        for turn in row.turns:
            if turn.speaker == ENVIRONMENT:
                turns["environment"] += 1
            elif all(piece.kind is Kind.SYSTEM_THINKING for piece in turn.segments):
                turns["empty"] += 1
        self._made.update({(step.stage, known_as(step.model), step.prompts) for step in row.lineage})

    def lesson(self, lesson: Lesson, purpose: str) -> None:
        """Counts a turn that is learnt."""
        self._turns[purpose]["with_plan" if lesson.planned else "without_plan"] += 1
        self._prompts.add(lesson.part.text)
        self._parts += lesson.number == 1

    def _book(self, row: SceneRow) -> Counter[str]:
        return self._books[edition_of(row.source), row.source.slug, row.source.sha]

    def report(
        self, options: SampleOptions, found: Survey, rows: dict[str, dict[str, int]], input_sha: str
    ) -> SampleReport:
        """All that was counted."""
        contamination = found.contamination
        kept_out = sum(count for reason, count in self._kept_out.items() if reason.startswith("coser-"))
        return SampleReport(
            input_sha=input_sha,
            seed=options.seed,
            shares=dict(options.shares),
            scenes_in=self._scenes.total() + self._kept_out.total(),
            scenes={purpose: self._scenes[purpose] for purpose in PURPOSES},
            kept_out=dict(sorted(self._kept_out.items())),
            turns={purpose: Turns(**self._turns[purpose]) for purpose in PURPOSES},
            rows=rows,
            characters=self._parts,
            languages=dict(sorted(self._languages.items())),
            prompts=tuple(sorted(self._prompts)),
            contamination=Checked(
                tests=contamination.tests,
                cases=contamination.cases,
                unread=len(contamination.unread),
                with_book=len(contamination.findings),
                not_found=len(contamination.not_found),
                scenes_kept_out=kept_out,
            ),
            books=tuple(self._uses(options, found)),
            lineage=tuple(Made(stage=s, model=m, prompts=p, scenes=n) for (s, m, p), n in sorted(self._made.items())),
            notes=tuple(self._notes(options, found)),
        )

    def _uses(self, options: SampleOptions, found: Survey) -> list[BookUse]:
        uses = []
        for (edition, slug, sha), counts in self._books.items():
            work = found.work[edition]
            uses.append(
                BookUse(
                    title=edition.title,
                    author=edition.author,
                    slug=slug,
                    sha=sha,
                    work=work,
                    purpose=found.purpose.get(work),
                    scenes=counts["scenes"],
                    kept_out=counts["kept out"],
                    licence=options.licences.get(slug) or options.licences.get(edition.title, ""),
                )
            )
        return sorted(uses, key=lambda use: (use.work, use.title, use.author, use.slug, use.sha))

    def _notes(self, options: SampleOptions, found: Survey) -> list[str]:
        """What a reader of the counts must know besides, a sentence each."""
        wanted = [purpose for purpose in PURPOSES if options.shares.get(purpose, 0) > 0]
        empty = [purpose for purpose in wanted if not self._scenes[purpose]]
        books, checked = len(found.purpose), found.contamination
        notes = []
        if empty:
            have = "1 book has" if books == 1 else f"{books} books have"
            notes.append(f"Nothing was made for {', '.join(empty)}: {have} scenes, and no two purposes share a book.")
        total, asked = self._scenes.total(), sum(options.shares.values())
        for purpose in wanted:
            got, share = self._scenes[purpose] / max(total, 1), options.shares[purpose] / asked
            if total and purpose not in empty and abs(got - share) > FAR:
                notes.append(f"{purpose} has {got:.0%} of the scenes, not {share:.0%}: books are not cut.")
        if not checked.tests:
            notes.append("No test set was named, so none was looked for in the scenes.")
        if checked.unread:
            notes.append(f"{len(checked.unread)} cases of the test sets could not be read and were not looked for.")
        if missed := checked.not_found:
            notes.append(
                f"Test cases of which nothing but the title of a source was found: {len(missed)}, such as {missed[0]}. "
                "Another translation shares no words; whole books can be kept out."
            )
        return notes
