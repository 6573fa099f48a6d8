"""Pure measures of a turn or a dialogue, and intervals; shared by gates, rewards, monitors and reports.

Knows text and who may see it. Refuses to know thresholds: a measure is a number, a place, or None where it
does not apply, and never a default score. Shares lie in 0..1; rates are per 1000 units (see `units`).
"""

from her.checks.language import foreign_share, language_of, scripts, wrong_language
from her.checks.layout import Layouts, layouts, longest_run
from her.checks.length import Length, length, lengths
from her.checks.minds import Leak, leaks, mind_reading
from her.checks.perspective import perspective
from her.checks.plans import Agreement, foresight, near_duplicate, plan_agreement, second_person
from her.checks.repetition import (
    Loop,
    copied_share,
    find_loop,
    own_copy,
    partner_copy,
    repeated_openings,
    repeated_sentences,
    repeated_share,
)
from her.checks.slop import contrast_rate, phrase_rate, slop_rate
from her.checks.units import Finding, sentences, units

__all__ = [
    "Agreement",
    "Finding",
    "Layouts",
    "Leak",
    "Length",
    "Loop",
    "contrast_rate",
    "copied_share",
    "find_loop",
    "foreign_share",
    "foresight",
    "language_of",
    "layouts",
    "leaks",
    "length",
    "lengths",
    "longest_run",
    "mind_reading",
    "near_duplicate",
    "own_copy",
    "partner_copy",
    "perspective",
    "phrase_rate",
    "plan_agreement",
    "repeated_openings",
    "repeated_sentences",
    "repeated_share",
    "scripts",
    "second_person",
    "sentences",
    "slop_rate",
    "units",
    "wrong_language",
]
