"""Rewards from comparisons, for any trainer: gate, rings, strengths, rewards, references, monitors, provenance.

Knows candidates and verdicts. Refuses to know models, prompts and trainers: who is to be asked is a list of pairs, and
what came of it comes back as edges.
"""

from her.judge.reward.bradley_terry import Offsets, fit, learned, parts
from her.judge.reward.gate import Breach, Rules, gate
from her.judge.reward.rewards import HER, OURS, PRESETS, Candidate, Design, Reward, rewards, won
from her.judge.reward.rings import REFERENCE, Call, Edge, calls, ring

__all__ = [
    "HER",
    "OURS",
    "PRESETS",
    "REFERENCE",
    "Breach",
    "Call",
    "Candidate",
    "Design",
    "Edge",
    "Offsets",
    "Reward",
    "Rules",
    "calls",
    "fit",
    "gate",
    "learned",
    "parts",
    "rewards",
    "ring",
    "won",
]
