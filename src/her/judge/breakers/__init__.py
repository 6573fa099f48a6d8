"""Breakers: each takes a good turn in its scene and breaks one principle by construction, in three grades.

Knows the families by the ids of the principles that they break. Refuses to know judges, and to break what does not
apply: a family says None where nobody is there whose mind could be read, or no earlier turn that could be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from her.judge.breakers.answers import borrowed_diction, ignores, repetition
from her.judge.breakers.layers import plan_leak, wrong_person
from her.judge.breakers.marks import broken_marks
from her.judge.breakers.minds import mind_reading, outside_knowledge, speaks_for_others
from her.judge.breakers.place import Breaker, Broken, Excuse, Place
from her.judge.breakers.voices import assistant_voice, empty_eloquence, padding
from her.judge.breakers.world import anachronism, contradicts

FAMILIES: Mapping[str, Breaker] = MappingProxyType(
    {
        "plan-leak": plan_leak,
        "mind-reading": mind_reading,
        "wrong-person": wrong_person,
        "assistant-voice": assistant_voice,
        "speaks-for-others": speaks_for_others,
        "repetition": repetition,
        "contradicts-scene": contradicts,
        "anachronism": anachronism,
        "borrowed-diction": borrowed_diction,
        "ignores-what-was-said": ignores,
        "outside-knowledge": outside_knowledge,
        "empty-eloquence": empty_eloquence,
        "broken-marks": broken_marks,
        "padding": padding,
    }
)
"""The families by the id of the principle that each breaks."""

__all__ = ["FAMILIES", "Breaker", "Broken", "Excuse", "Place"]
