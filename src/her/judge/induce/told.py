"""What a person reads at the end of a run.

Knows an outcome. Refuses to know how its lines are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from her.judge.induce.flow import Induced
from her.judge.induce.rows import Score


def lines(done: Induced, candidates: Path, decisions: Path) -> Iterator[str]:
    """The counts, what was found again, and either what waits for a decision in which file, or each score and where
    the principles stand; what an earlier run left there is called so."""
    counts, recall = done.report.counts, done.report.recall
    yield ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items())
    if recall.families:
        share = "" if recall.share is None else f" ({recall.share:.0%})"
        yield f"of {len(recall.families)} principles that the pairs break, {recall.found} found again{share}"
        if missed := [one.principle for one in recall.families if not one.candidate]:
            yield f"missed: {', '.join(missed)}"
    if done.earlier:
        yield f"{done.earlier} is what an earlier run came to, and stays as it was"
    if done.waiting:
        yield f"{len(done.waiting)} candidates wait for a decision: see {candidates}; decisions stand in {decisions}"
        yield "the same command goes on: in a terminal, with --decisions FILE, or with --keep-all"
        return
    if done.path is None:
        yield "no candidate was kept, so there is no file of principles"
        return
    for score in done.report.scores:
        yield _line(score)
    yield str(done.path)


def _line(score: Score) -> str:
    figures = (("covers", score.coverage), ("right", score.accuracy), ("flips", score.flipped))
    said = [f"{name} {value:.0%}" for name, value in figures if value is not None]
    if score.same_as and score.redundancy:
        said.append(f"says the same as {score.same_as} {score.redundancy:.0%}")
    return f"{score.principle}: {', '.join(said) or 'not scored'} ({score.invoked} of {score.asked} answers)"
