"""The ids of prompt and prefill begin the ids of the finished row, whatever the model writes next."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from her.models.prefill import PROBES, WALK, Prefill, Vocabulary, safe_prefill

PLAN, END = "<system_thinking>", "</system_thinking>"
THOUGHT, THOUGHT_END = "<role_thinking>", "</role_thinking>"

QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3_SPLIT = QWEN_SPLIT.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)
GPT4O_SPLIT = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def corpus() -> list[str]:
    """Turns in which tags meet new lines, names, quotes and other scripts, so that such merges are learnt."""
    dice = random.Random(7)
    names = ["Elizabeth", "Mr. Darcy", "林黛玉", "Élise", '"Ace"', "7 of 9", "かぐや姫", "O'Hara", "Жанна", "김민수"]
    says = ["Good morning, that's all.", "你怎么又来了？", "Don't go!", "“Never,” she said...", "C'est ça.", "12345 6",
            "わたしは知らない。", "😀😀 fine 👩‍👩‍👧", "a\u0301 e\u0301 o\u0338", "x  y   z\t\tq", "\n\nWell?\n",
            "да, так"]  # fmt: skip
    gaps = ["", "\n", "\n\n", " ", "\r\n", '"', "("]
    rows = []
    for _ in range(2000):
        name, gap = dice.choice(names), dice.choice(gaps)
        thought = f"{THOUGHT}{dice.choice(gaps)}{dice.choice(says)}{THOUGHT_END}"
        rows.append(f"{PLAN}{gap}{dice.choice(says)}{gap}{END}{gap}{name}: {thought}{gap}{dice.choice(says)}")
    return rows


@cache
def tokenizer(kind: str) -> Any:
    """A small BPE of one family, trained on the corpus."""
    pytest.importorskip("tokenizers", reason="needs the train extra")
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    splits = {"qwen": QWEN_SPLIT, "llama3": LLAMA3_SPLIT, "gpt4o": GPT4O_SPLIT}
    special = ["<|im_start|>", "<|im_end|>"]
    if kind == "llama2":
        made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
        made.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.UnicodeScripts(), pre_tokenizers.Metaspace(prepend_scheme="never", split=True)]
        )
        special = ["<unk>", *special, *(f"<0x{i:02X}>" for i in range(256))]
        alphabet = []
    else:
        made = Tokenizer(models.BPE())
        made.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        made.normalizer = normalizers.NFC() if kind == "qwen" else None
        made.pre_tokenizer = level
        if kind in splits:
            made.pre_tokenizer = pre_tokenizers.Sequence(
                [pre_tokenizers.Split(Regex(splits[kind]), behavior="isolated"), level]
            )
    trainer = trainers.BpeTrainer(
        vocab_size=3000, special_tokens=special, initial_alphabet=alphabet, limit_alphabet=400, show_progress=False
    )
    made.train_from_iterator(corpus(), trainer)
    return made


def vocabulary(made: Any) -> Vocabulary:
    """The bytes of a byte-level tokenizer's tokens, by the table of the GPT-2 byte encoding."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    table = {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(others)}
    words = (word for word in made.get_vocab() if all(c in table for c in word))
    return Vocabulary(bytes(table[c] for c in word) for word in words)


PROMPT = "<|im_start|>system\nYou are her.<|im_end|>\n<|im_start|>assistant\n"

odd_names = st.builds(
    lambda first, rest: (first + rest).strip() or "X",
    st.sampled_from(["林", "É", "e\u0301", '"', "“", "7", "か", "O'", "Ж", "김", "😀", "A", "<3 ", "(", "é"]),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn", "Co")), max_size=8),
)
pieces = st.sampled_from(
    [*PROBES, "Good", "thinking", "ing>", "oo", "'t go", "你", "黛玉", "5", "00", "role_thinking>", "/", "\n\n\n", "ん"]
)
anything = st.one_of(
    st.lists(pieces, max_size=5).map("".join),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=12),
    st.sampled_from(corpus()[:200]),
)


@st.composite
def prefills(draw: st.DrawFn) -> str:
    """What an actor prefills: a tag, a name, a plan with a name, half a sentence, or any text cut anywhere."""
    name = draw(odd_names)
    body = draw(st.sampled_from([row[:200] for row in corpus()[:100]]))
    whole = draw(
        st.sampled_from(
            [
                PLAN,
                f"{name}: ",
                name,
                f"{PLAN}She is proud.{END}{name}: ",
                f"{PLAN}她很骄傲{END}{name}: {THOUGHT}",
                f"{name}: {THOUGHT}Why?{THOUGHT_END}",
                f"{PLAN}\n",
                f"{name}: I never said tha",
                body[: draw(st.integers(0, 200))],
            ]
        )
    )
    return whole if draw(st.booleans()) else whole + draw(st.text(max_size=3)).replace("\x00", "")


def holds(encode: Callable[[str], list[int]], prefill: str, then: str, known: Vocabulary | None = None) -> Prefill:
    """Asserts the rule on one row, and that nothing of the prefill is lost."""
    prompt = encode(PROMPT)
    safe = safe_prefill(lambda text: encode(PROMPT + text)[len(prompt) :], prompt, prefill, known)
    assert safe.text + safe.forced == prefill
    assert encode(PROMPT + prefill + then)[: len(safe.ids)] == list(safe.ids), (safe, then)
    return safe


def no_leading_break(text: str) -> bool:
    """The prompt ends in a line end; a reply that begins with white space would move the prompt's own tokens."""
    return not text[:1].isspace()


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["qwen", "llama3", "gpt4o", "llama2"])
@given(prefill=prefills().filter(no_leading_break), then=anything)
@example(prefill=PLAN, then="\n\nHe")
@example(prefill="Darcy: ", then="Good")
@example(prefill="Darcy: I don'", then="t")
@example(prefill="x  \n", then="y")
@example(prefill="<", then="|im_end|>")
@example(prefill="7", then="77")
@example(prefill="“", then="\u0338")
def test_settled_ids_begin_every_row(kind: str, prefill: str, then: str) -> None:
    made = tokenizer(kind)
    holds(lambda text: made.encode(text, add_special_tokens=False).ids, prefill, then)


@pytest.mark.torch
@given(prefill=prefills().filter(no_leading_break), then=anything)
def test_a_vocabulary_settles_even_a_tokenizer_that_splits_nothing(prefill: str, then: str) -> None:
    made = tokenizer("unsplit")
    holds(lambda text: made.encode(text).ids, prefill, then, vocabulary(made))


@pytest.mark.torch
@pytest.mark.parametrize(("prefill", "then"), [(PLAN, "\n"), (PLAN + "ok" + END, "\n\n"), ("Darcy: ", "Good")])
def test_ids_of_the_bare_prefill_do_not_begin_the_row(prefill: str, then: str) -> None:
    """Why the rule is needed: on a Qwen-type tokenizer the naive prefill breaks it."""
    made = tokenizer("qwen")
    naive = made.encode(PROMPT + prefill).ids
    assert made.encode(PROMPT + prefill + then).ids[: len(naive)] != naive


@pytest.mark.torch
def test_only_the_unsettled_end_is_forced() -> None:
    made = tokenizer("qwen")
    assert holds(lambda text: made.encode(text).ids, PLAN, "\n").forced == ">"
    assert holds(lambda text: made.encode(text).ids, "Darcy: ", "Good").forced == " "
    assert holds(lambda text: made.encode(text).ids, "Darcy: I never said tha", "t").forced == " tha"
    assert holds(lambda text: made.encode(text).ids, "  ", "x").text == ""


@pytest.mark.torch
def test_a_long_plan_costs_few_calls_and_stays_ids() -> None:
    made = tokenizer("qwen")
    calls = []
    plan = PLAN + "She weighs whether to speak of Pemberley, and decides against it. " * 32 + END + "林黛玉: "

    def tokenize(text: str) -> list[int]:
        calls.append(text)
        return list(made.encode(text).ids)

    safe = safe_prefill(tokenize, [], plan)
    assert len(plan) > 2000
    assert safe.forced == " "
    assert len(calls) < 40


def test_without_a_prefill_there_is_nothing_to_settle() -> None:
    def tokenize(text: str) -> list[int]:
        raise AssertionError("not needed")

    assert safe_prefill(tokenize, [1, 2], "") == Prefill((1, 2), "", "")


@given(st.text(max_size=40))
def test_a_tokenizer_that_never_settles_gets_the_whole_text_forced(text: str) -> None:
    """One id for the whole text, another for every text: nothing but the empty part is stable."""
    seen: dict[str, int] = {}
    safe = safe_prefill(lambda whole: [seen.setdefault(whole, len(seen))], [5], text)
    assert safe == Prefill((5,), "", text)


@given(st.text(min_size=1, max_size=40))
def test_one_id_a_character_keeps_all_but_the_last_piece(text: str) -> None:
    safe = safe_prefill(lambda whole: list(map(ord, whole)), [], text)
    assert safe.ids == tuple(map(ord, safe.text))
    assert safe.text + safe.forced == text
    assert safe.forced


def test_a_run_without_any_break_is_forced_as_a_whole() -> None:
    text = "Said: " + "他" * (3 * WALK)
    safe = safe_prefill(lambda whole: list(map(ord, whole)), [], text)
    assert safe.text == "Said:"


def test_an_open_mark_may_become_a_token_of_the_tokenizer() -> None:
    safe = safe_prefill(lambda whole: list(map(ord, whole)), [], "well </tool_c")
    assert safe.text == "well"


def test_vocabulary_names_where_a_token_could_go_on() -> None:
    known = Vocabulary([b">\n", b" x", b"a", b"ng>D", " 😀".encode()[:3], "é".encode()])
    assert known.starts("thinking>") == [6, 8]
    assert known.starts("Darcy: ") == [6]
    assert known.starts("a") == []
    assert b"a" in known
    assert b" " not in known


def test_a_token_from_inside_a_character_doubts_what_leads_up_to_it() -> None:
    """`é` is C3 A9: a token A9+more begins inside it, and the token before it, `e`+C3, crosses into it."""
    known = Vocabulary([b"\xa9!", b"e\xc3", b"\xc3\xa9", b"e", b"!"])
    assert known.starts("eé") == [0]


@pytest.fixture(scope="module")
def smol(mini_path: Path) -> Any:
    pytest.importorskip("transformers", reason="needs the train extra")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(mini_path.parent), gguf_file=mini_path.name)


@pytest.mark.model
@pytest.mark.torch
@given(prefill=prefills().filter(no_leading_break), then=anything)
def test_settled_ids_begin_every_row_of_the_bundled_model(smol: Any, prefill: str, then: str) -> None:
    holds(lambda text: list(smol(text, add_special_tokens=False)["input_ids"]), prefill, then)
