"""What the transformers backend needs of a tokenizer: prompts as ids, and the bytes behind every id.

Knows chat templates and control tokens. Refuses to know weights, and what a text means.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

from her.errors import InputError, MissingExtra
from her.models.base import Message
from her.models.prefill import Prefill, Vocabulary, safe_prefill
from her.models.template import marked, prompt_ids

try:
    import jinja2
    from llguidance.hf import from_tokenizer
except ImportError as missing:
    raise MissingExtra("a model of the transformers library", "train") from missing

_END = "\ue002"  # private use: stands for the reply that is to come


class Tokens:
    """A fast tokenizer of the transformers library with the chat template that belongs to it.

    `ends` are the ids that end a reply, `width` how many ids the model knows (at least as many as the tokenizer).
    """

    def __init__(self, tokenizer: Any, address: str, ends: Collection[int], width: int = 0) -> None:
        self._tokenizer, self._address = tokenizer, address
        self.ends = frozenset(ends)
        self._width = max(width, len(tokenizer))
        self._lock = threading.Lock()

    def prompt(self, messages: Sequence[Message], prefill: str = "") -> Prefill:
        """The ids that a call starts from, with the part of `prefill` that is forced (see `models.prefill`).

        Where no part of the prefill is settled, `forced` may begin with the end of the prompt itself.
        """
        head, run = self.head(messages)
        if not prefill:
            return Prefill(tuple(head), "", "")
        if self.ids(prefill) != self.ids(prefill, plain=True):
            return safe_prefill(lambda text: self.ids(text, plain=True), head, prefill, self.vocabulary)
        # Together with the last of the prompt, since some tokenizers look ahead: "\n\n" is one token at the end
        # of a prompt and two before a word.
        anchor = run[max(0, *(run.rfind(mark) for mark in self._tokenizer.all_special_tokens)) :]
        whole = safe_prefill(self.ids, head[: len(head) - len(self.ids(anchor))], anchor + prefill, self.vocabulary)
        return Prefill(whole.ids, whole.text[len(anchor) :], whole.forced)

    def head(self, messages: Sequence[Message]) -> tuple[list[int], str]:
        """Ids of the prompt up to where the assistant's text begins in a finished row, and the last text among them.

        Taken from a row with an unfinished assistant message, not from a generation prompt, since some templates
        open the two differently (Qwen3's thinking ones).
        """
        rows = [*marked(messages), {"role": "assistant", "content": _END}]
        try:
            text: str = self._tokenizer.apply_chat_template(
                rows, tokenize=False, continue_final_message=True, enable_thinking=False
            )
        except (ValueError, jinja2.TemplateError) as error:
            raise InputError(f"the chat template of {self._address} refuses these messages: {error}") from error
        return prompt_ids(text.removesuffix(_END), messages, self._spelled, address=self._address)

    def finished(self, messages: Sequence[Message]) -> list[int]:
        """Ids of a finished row up to the end token of its last message; empty where the template writes none."""
        text: str = self._tokenizer.apply_chat_template(marked(messages), tokenize=False, enable_thinking=False)
        ids, _ = prompt_ids(text, messages, self._spelled, address=self._address)
        while ids and ids[-1] not in self.ends:
            ids.pop()
        return ids

    def _spelled(self, text: str, *, control: bool, first: bool = False) -> list[int]:
        return self.ids(text, plain=not control)

    def ids(self, text: str, *, plain: bool = False) -> list[int]:
        """Ids of a text; `plain`: the names of control tokens in it are mere characters."""
        if not text:
            return []
        with self._lock:  # `plain` is a state of the tokenizer, which may not change while another thread uses it
            return list(self._tokenizer(text, add_special_tokens=False, split_special_tokens=plain)["input_ids"])

    @cached_property
    def guide(self) -> Any:
        """The tokenizer as llguidance takes it."""
        return from_tokenizer(self._tokenizer, n_vocab=self._width, eos_token=sorted(self.ends))

    def bytes_of(self, token: int) -> bytes:
        """The UTF-8 bytes of a token, not always whole characters; nothing for a special token."""
        return b"" if self.guide.is_special_token(token) else bytes(self.guide.decode_bytes([token]))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The bytes of every token."""
        return Vocabulary(self.bytes_of(token) for token in range(len(self._tokenizer)))
