"""The constraint on a reply: a grammar under which every turn is well-formed and every layer has an end.

GBNF rules, as llama.cpp and its relatives take them. Any text but `<` may stand in a body, in any script; layers
come in any order, none twice in a row; speech always comes, and no line of it begins as another's. Nothing here counts
words: a body past its budget ends with its sentence, or, where no sentence ends, with its word.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from her.draft import NAME_ENDS, spellings
from her.markup import notation, parse, stream
from her.turn import Kind


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets of one reply in tokens, each for a layer as a whole; their sum leaves room below 1024 tokens for tags.

    `bodies` is how many separate bodies a layer other than the plan may have.
    """

    plan: int = 300
    thought: int = 160
    action: int = 100
    speech: int = 280
    bodies: int = 2

    @property
    def total(self) -> int:
        """Tokens of the longest reply's bodies together."""
        return self.plan + self.thought + self.action + self.speech


SMALL = Limits(plan=48, thought=32, action=32, speech=28, bodies=1)
"""For a model of a hundred million parameters, which loses its thread after a sentence or two: read blind, short
replies make sense more often than long ones (docs/mini.md)."""

_CONTROL = r"\x00-\x08\x0B\x0C\x0E-\x1F\x7F"
_STOPS = r".!?…。！？\n"
_TEXT = f"[^<{_CONTROL}]"
_VISIBLE = rf"[^< \t\r\n\u3000{_CONTROL}]"
_INSIDE = f"[^<{_STOPS}{_CONTROL}]"
_LETTER = rf"[^< \t\r,;:，；：、{_STOPS}{_CONTROL}]"
_STOP = '("." ".."? | [!?！？]{1,2} | […。])'
_QUOTE = r"""["”’»」』)]"""
_INDENT = " \t\u3000"
_LONGEST_WORD = 24
"""Letters within which a last word must end; the longest in common use are shorter."""

_ROLE = (Kind.ROLE_THINKING, Kind.ROLE_ACTION, Kind.SPEECH)


def grammar(
    limits: Limits,
    *,
    name: str,
    others: Iterable[str] = (),
    plan: bool = True,
    written: str = "",
    chars_per_token: float = 4.0,
) -> str:
    """GBNF rules that define `reply` (and no `root`): what may follow `written`, the part of the turn that stands.

    With `plan` a plan comes first and `Name: ` after it. `others` are names that no line of speech may begin with as
    `Name:`. `chars_per_token` turns budgets into characters, the only length that GBNF knows: give the rate of the
    model's tokenizer on the scene's own text.
    """
    tokens = {
        Kind.SYSTEM_THINKING: limits.plan,
        Kind.ROLE_THINKING: limits.thought // limits.bodies,
        Kind.ROLE_ACTION: limits.action // limits.bodies,
        Kind.SPEECH: limits.speech // limits.bodies,
    }
    marks = notation()
    rules: dict[str, str] = {}
    for kind in Kind:
        short = kind.short
        rules |= _body(short, max(12, int(tokens[kind] * chars_per_token)))
        opener, closer = marks.get(f"{short}_open", ""), marks.get(f"{short}_close", "")
        rules[f"{short}-end"] = f"{short}-rest {_literal(closer)}"
        rules[short] = f"{_literal(opener)} {_VISIBLE} {short}-end"
    names = sorted(spellings([name, *others]))
    rules |= _lines(names)
    rules["speech-rest"] = rules["speech-rest"].replace(_TEXT, "speech-unit")
    # A name alone is a call, and nothing follows it here. Letter by letter, as in the walk: some engines read
    # literals as whole tokens of their own, which must not overlap.
    calls = [" ".join(map(_literal, call)) for call in names]
    rules["speech"] = " | ".join(["line speech-end", *calls])
    rules["reply"] = _reply(rules, limits.bodies, name=name, plan=plan, written=written)
    return "".join(f"{rule} ::= {right}\n" for rule, right in rules.items())


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _body(short: str, size: int) -> dict[str, str]:
    """A body of up to `size` characters after its first: free for the larger part, then to the end of a sentence.

    The two halves share no start, so that a matcher never follows more than a few readings at once.
    """
    tail = max(4, size * 2 // 5)
    free = max(4, size - tail)
    stop = f"{_STOP} {_QUOTE}?"
    return {
        f"{short}-rest": f"{_TEXT}{{0,{free}}} | {_TEXT}{{{free}}} {short}-tail",
        f"{short}-tail": f"{_INSIDE}{{0,{tail}}} {stop} | {_INSIDE}{{{tail}}} {_LETTER}{{0,{_LONGEST_WORD}}} ({stop})?",
    }


def _lines(names: Iterable[str]) -> dict[str, str]:
    """Rules for the beginning of a line of speech, up to the character by which it differs from every `Name:`.

    A walk through the letters that names share, one rule for each; a `speech-unit` is one character of a line, or a
    new line with such a beginning.
    """
    taken = {name + colon for name in names for colon in NAME_ENDS}
    rules = {"speech-unit": f"{_except('')} | new-line", "new-line": rf'"\n" [{_INDENT}]* (new-line | line)'}
    waiting = {"": "line"}
    while waiting:
        begun, rule = waiting.popitem()
        following = sorted({text[len(begun)] for text in taken if text.startswith(begun) and text != begun})
        ways = [_except("".join(following) + ("" if begun else _INDENT))]
        for letter in following:
            if begun + letter in taken:
                continue
            waiting[begun + letter] = f"line-{len(rules) + len(waiting)}"
            ways.append(f"{_literal(letter)} {waiting[begun + letter]}")
        rules[rule] = " | ".join([*ways, *["new-line"] * bool(begun)])
    return rules


def _except(letters: str) -> str:
    """The class of all text but these letters and the end of a line."""
    escaped = "".join(rf"\x{ord(letter):02X}" if letter < "\x7f" else letter for letter in letters)
    return rf"[^<\n{escaped}{_CONTROL}]"


def _reply(rules: dict[str, str], bodies: int, *, name: str, plan: bool, written: str) -> str:
    """The right side of `reply`, and the rules of order that it needs."""
    named = _literal(f"{name}: ")
    parser = stream(speaker=name)
    parser.feed(written)
    segments = parse(written, speaker=name).turn.without(Kind.SYSTEM_THINKING).segments
    left = {kind: max(bodies - sum(s.kind is kind for s in segments), kind is Kind.SPEECH) for kind in _ROLE}
    spoken = any(s.kind is Kind.SPEECH for s in segments)
    if not written:
        return f"{'plan ' * plan}{named} {_order(rules, None, left, spoken)}"
    if parser.open_kind is Kind.SYSTEM_THINKING:
        body = "plan-end" if parse(written).turn.segments else f"{_VISIBLE} plan-end"
        return f"{body} {named} {_order(rules, None, left, spoken)}"
    if written.rstrip().endswith(notation()["plan_close"]):
        return f"{named} {_order(rules, None, left, spoken)}"
    last = segments[-1].kind if segments else None
    follow = _order(rules, last, left, spoken)
    if parser.open_kind is not Kind.SPEECH or last is Kind.SPEECH:
        return f"{(last or parser.open_kind).short}-end {follow}"
    return follow


def _order(rules: dict[str, str], last: Kind | None, left: dict[Kind, int], spoken: bool) -> str:
    """The name of the rule for what may follow a layer, with so many bodies left of each."""
    short = last.short if last else "start"
    rule = f"after-{short}-{'-'.join(str(left[kind]) for kind in _ROLE)}{'-spoken' * spoken}"
    if rule not in rules:
        rules[rule] = ""
        ways = [
            f"{kind.short} {_order(rules, kind, left | {kind: left[kind] - 1}, spoken or kind is Kind.SPEECH)}"
            for kind in _ROLE
            if kind is not last and left[kind]
        ]
        rules[rule] = " | ".join([*ways, '""'] if spoken else ways)
    return rule
