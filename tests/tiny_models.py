"""Tiny models with random weights, tokenizers trained on the spot, and samples for them to learn."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaConfig, PreTrainedTokenizerFast, Qwen3Config

from her.rows.record import SceneRow, TurnRow
from her.rows.samples import SftRow
from her.synth.samples.lessons import Lessons
from her.train.trees import Tree
from her.turn import ENVIRONMENT, Turn
from sampled import ACTION, PLAN, SPEECH, THOUGHT, said, small
from stages import scene

START, END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
KINDS = ("llama", "qwen3")
WORDS = 640
"""Ids of the vocabulary: the bytes, ChatML's marks, and what a few pages of prompts need most."""
QWEN = "|".join(
    [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"\p{N}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
"""How Qwen cuts a text before its merges."""


@cache
def _trained(kind: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    if kind == "qwen3":
        tokenizer.normalizer = normalizers.NFC()
        split = pre_tokenizers.Split(Regex(QWEN), behavior="isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
    else:
        digits = pre_tokenizers.Digits(individual_digits=True)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    told = [
        message.content for row in (talk(6), talk(4, language="zh")) for s in samples(row) for message in s.messages
    ]
    # Two line ends are one token where no word follows, as in real vocabularies.
    tokenizer.train_from_iterator([*["\n\n"] * 500, *told], trainer)
    return tokenizer


def tokenizer(kind: str = "llama") -> Any:
    """A byte-level BPE with ChatML's tokens and no chat template, cut as SmolLM2's or Qwen3's; each call's own."""
    copy = Tokenizer.from_str(_trained(kind).to_str())
    return PreTrainedTokenizerFast(tokenizer_object=copy, bos_token=START, eos_token=END, pad_token=PAD)


def model(kind: str = "llama", *, dtype: torch.dtype = torch.float32, **changes: Any) -> Any:
    """Two layers of 64 with grouped queries (and norms of queries and keys in a Qwen3), in evaluation mode.

    The weights are strong enough that attention looks at particular tokens, and not at all of them alike.
    """
    sizes = {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16 if kind == "llama" else 32,  # a Qwen3's is not hidden size by heads
        "max_position_embeddings": 4096,
        "vocab_size": WORDS,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        **changes,
    }
    config = LlamaConfig(**sizes) if kind == "llama" else Qwen3Config(**sizes)
    torch.manual_seed(5)
    made = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, 1.0 if parameter.dim() == 1 else 0.0, 0.15)
    return made.to(dtype).eval()


def model_folder(folder: Path, kind: str = "llama") -> Path:
    """A tiny model and its tokenizer, saved as a folder that transformers opens."""
    model(kind).save_pretrained(folder)
    tokenizer(kind).save_pretrained(folder)
    return folder


def paths(tree: Tree) -> Iterator[list[int]]:
    """For each row of a tree, the places of its tokens in it, from root to leaf."""
    at = len(tree.trunk)
    for row in tree.rows:
        yield [*range(row.start), *range(at, at + row.supervised)]
        at += row.supervised


# -- what they learn ---------------------------------------------------------------------------------------------


def talk(turns: int = 8, *, language: str = "en", id: str = "light/1/1", plans: bool = True) -> SceneRow:
    """Two lighthouse keepers, who speak by turns; the first of them speaks first, and a third voice is the weather."""
    place = scene(language)
    names = [one.name for one in place.cast]
    words = _ZH if language == "zh" else _EN
    rows = []
    for n in range(turns):
        speaker = ENVIRONMENT if n % 5 == 4 else names[n % 2]
        if speaker == ENVIRONMENT:
            rows.append(said(f"t{n:02}", ENVIRONMENT, (SPEECH, words["weather"])))
            continue
        plan = [(PLAN, words["plan"].format(speaker=speaker, n=n))] * plans
        acts = [(THOUGHT, words["thought"].format(n=n)), (ACTION, words["action"])][: n % 3]
        rows.append(said(f"t{n:02}", speaker, *plan, *acts, (SPEECH, words["speech"].format(n=n, id=id))))
    cast = [one.model_dump() for one in place.cast]
    return small(id, *rows, cast=cast, setting=place.setting, title=place.title, book=place.book, language=language)


_EN = {
    "plan": "{speaker} should hold back here, since turn {n} is not yet the place for the truth.",
    "thought": "{n} looks at the rope. I must not show that I have counted them.",
    "action": "trims the wick without looking up",
    "speech": "The boat was due at {n}, and it is not here. Leave the dinghy where it is, {id}.",
    "weather": "The wind turns; rain runs down the panes of the lamp room.",
}
_ZH = {
    "plan": "{speaker}此刻应当克制，第{n}句还不是说真话的时候。",
    "thought": "他看了{n}次缆绳。我不能让他知道我数过。",
    "action": "低头修剪灯芯",
    "speech": "船本该{n}点到，现在还没来。小艇就放在那儿，{id}。",
    "weather": "风向变了，雨水顺着灯室的玻璃往下淌。",
}


def samples(row: SceneRow, *, plan: bool = True) -> list[SftRow]:
    """The SFT rows of one scene, with or without plans, character after character."""
    lessons = Lessons(row)
    chosen = [lesson for lesson in lessons if lesson.planned or not plan]
    return [SftRow.model_validate(lessons.sft(lesson, plan=plan)) for lesson in chosen]


def scene_of(turns: Iterable[Turn], names: Sequence[str], *, id: str = "drawn/1/1") -> SceneRow:
    """A row of these turns; the cast are the names."""
    rows = [TurnRow.of(replace(turn, id=f"t{n:02}")) for n, turn in enumerate(turns, 1)]
    return small(id, *rows, cast=[{"name": name, "profile": "Tall."} for name in names])


def her_scenes() -> Any:
    """The reader of the scenes that were written by hand, which is no module of the package."""
    path = Path(__file__).resolve().parent.parent / "datasets" / "her-scenes" / "read.py"
    spec = importlib.util.spec_from_file_location("read", path)
    assert spec is not None and spec.loader is not None
    sys.modules["read"] = found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
