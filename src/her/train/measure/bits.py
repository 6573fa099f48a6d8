"""How well weights foresee what an author wrote: bits per character of each layer, turn by turn.

Knows trees and layers. Refuses to let a model write.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from her.rows.samples import SftRow
from her.train.layers import Bits
from her.train.lessons import lessons
from her.train.measure.rates import Part
from her.train.measure.weights import Weights
from her.turn import Kind


def gold_bits(
    weights: Weights, samples: dict[str, SftRow], prefix: str = ""
) -> Iterator[tuple[SftRow, dict[str, Part]]]:
    """For each sample the bits and the characters of the layers that it has, as `bits_plan`, `bits_thought`, …

    `prefix` stands before those names. Raises InputError for a sample that does not fit the window.
    """
    split = lessons(samples, weights.encoder, "tree")
    for tree in split.trees:
        layers, shares = split.layers(tree, weights.encoder), tree.shares(weights.log_probs(tree))
        for row, turn, share in zip(tree.rows, layers, shares, strict=True):
            bits = Bits()
            bits.add(turn, share)
            figures = {
                f"{prefix}bits_{kind.short}": Part(bits.nats[kind] / math.log(2), bits.characters[kind])
                for kind in Kind
                if bits.characters[kind]
            }
            yield samples[row.id], figures
