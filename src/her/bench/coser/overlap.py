"""How much of the book's words a simulation has: BLEU and ROUGE-L, as CoSER's own numbers were made.

Knows the two packages, and the versions, with which the numbers that CoSER ships come out again: `nltk` 3.9.1 with its
data `punkt_tab`, and `rouge-chinese` 1.0.3 (other versions and the package `rouge` give others). Refuses to put a
number where either is absent.
"""

from __future__ import annotations

import math
import warnings
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from her.bench.figures import Unscored, Value, Why

NLTK, ROUGE = ("nltk", "3.9.1"), ("rouge-chinese", "1.0.3")
_NOTHING = Unscored(Why.UNDEFINED, "one of the two texts is empty")


def bleu(simulated: str, reference: str) -> Value:
    """NLTK's sentence BLEU, 4-grams without smoothing, over both whole texts in lower case, names included: 0 to 1."""
    found = _package(*NLTK, "nltk")
    if isinstance(found, Unscored):
        return found
    if not simulated.strip() or not reference.strip():
        return _NOTHING
    try:
        words, wanted = (found.word_tokenize(text.lower()) for text in (simulated, reference))
    except LookupError:
        return Unscored(Why.ABSENT, "nltk lacks its data: python -m nltk.downloader punkt_tab")
    score = import_module("nltk.translate.bleu_score").sentence_bleu
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it warns of texts that share no 4-gram; the number says that too
        return _finite(score([wanted], words))


def rouge_l(simulated: str, reference: str) -> Value:
    """F of ROUGE-L over both whole texts as `rouge-chinese` has it, case kept: 0 to 1."""
    found = _package(*ROUGE, "rouge_chinese")
    if isinstance(found, Unscored):
        return found
    if not simulated.strip() or not reference.strip():
        return _NOTHING
    return _finite(found.Rouge(metrics=["rouge-l"]).get_scores(simulated, reference)[0]["rouge-l"]["f"])


@cache
def _package(name: str, wanted: str, module: str) -> Any:
    """The module, where just that version of its package is installed."""
    try:
        has = version(name)
    except PackageNotFoundError:
        return Unscored(Why.ABSENT, f"pip install {name}=={wanted}")
    if has != wanted:
        return Unscored(Why.ABSENT, f"{name} {has} gives other numbers: pip install {name}=={wanted}")
    try:
        return import_module(module)
    except ImportError as error:
        return Unscored(Why.ABSENT, f"{name} {has} cannot be loaded: {error}")


def _finite(value: float) -> Value:
    return float(value) if math.isfinite(value) else Unscored(Why.UNDEFINED, f"it came to {value}")
