"""People label pairs blind, go on where they were, and are told how far they agree beyond chance."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compared import FIRST, SECOND, TIE, at, pair
from her.errors import InputError, StorageError
from her.judge.data.agreement import agreement, cohen, fleiss, lines, majority
from her.judge.data.label_by_hand import (
    Desk,
    exchanged,
    hand_file,
    hands,
    label_pairs,
    print_of,
    scene_text,
    sides_text,
    summed_up,
)
from her.judge.pairs import Pair
from her.judge.verdict import Winner
from her.rows.record import TurnRow
from her.turn import Kind, Segment, Turn
from texts import ACTION, PLAN, PLAN_END

ANSWERS = st.sampled_from(list(Winner))


class Typed:
    """A screen that types what it is given, and keeps what it was shown; at the end of its keys the input ends."""

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys, self.shown = iter(keys), []

    def show(self, text: str) -> None:
        self.shown.append(text)

    def key(self, words: str) -> str:
        return next(self.keys, "")

    @property
    def text(self) -> str:
        return "\n".join(self.shown)


def sat(pairs: list[Pair], folder: Path, keys: Iterable[str], reader: str = "Anne") -> Typed:
    screen = Typed(keys)
    with Desk(pairs, folder, reader) as desk:
        label_pairs(desk, screen)
    return screen


PAIRS = [pair(f"p{n}", at=at(place=n)) for n in range(6)]


# -- blind -----------------------------------------------------------------------------------------------------


def test_a_key_names_a_side_as_it_was_shown_whatever_the_order(tmp_path: Path) -> None:
    sat(PAIRS, tmp_path, ["1", "2", "t", "1", "2", "1"])
    turned = [exchanged(one, "Anne") for one in PAIRS]
    assert set(turned) == {True, False}, "both orders must come"
    asked = [FIRST, SECOND, TIE, FIRST, SECOND, FIRST]
    meant = {one.id: said.other if swap else said for one, said, swap in zip(PAIRS, asked, turned, strict=True)}
    assert hands(tmp_path) == {"Anne": meant}


def test_the_side_that_a_key_names_is_the_one_that_stood_there() -> None:
    for one in PAIRS:
        shown = sides_text(one, "Anne")
        first = "Nay" if exchanged(one, "Anne") else "Aye"
        assert shown.startswith(f"[1]\n  {first}{one.id}")


def test_two_readers_do_not_see_all_pairs_in_one_order() -> None:
    many = [pair(f"p{n}") for n in range(200)]
    orders = [(exchanged(one, "Anne"), exchanged(one, "Bo")) for one in many]
    assert {(True, False), (False, True), (True, True), (False, False)} == set(orders)
    assert 60 < sum(order for order, _ in orders) < 140


def test_nothing_that_is_shown_tells_how_a_pair_came_about(tmp_path: Path) -> None:
    told = {"family": "FAMILY", "principle": "PRINCIPLE", "template": "TEMPLATE", "base": "BASE", "source": "SOURCE"}
    one = pair("ID-OF-PAIR", FIRST, kind="broken", first="Aye.", second=f"{PLAN}OF-THE-PLAN{PLAN_END}Nay.", **told)
    text = sat([one], tmp_path, ["c", "1"]).text
    for secret in (*told.values(), "ID-OF-PAIR", "OF-THE-PLAN", "broken", "missing plan", one.at.scene.title):
        assert secret not in text


def test_a_reader_sees_the_place_and_what_the_marks_of_a_side_hide() -> None:
    one = pair("p", first=f"{ACTION}nods", second=f"{PLAN}A{PLAN_END}No.\nTom: {PLAN}HIDDEN{PLAN_END}Yes, I will.")
    place, sides = scene_text(one), sides_text(one, "Anne")
    for part in (one.at.scene.setting, "Head keeper", "[I could row.]", "Shall I, 0?", "Now: Mara Vell"):
        assert part in place
    assert "(marks: unclosed)" in sides
    assert "goes on for somebody else" in sides and "Yes, I will." in sides
    assert "HIDDEN" not in sides and "plan" not in sides


def test_no_text_can_write_on_the_readers_terminal() -> None:
    said = Turn("Tom", (Segment(Kind.SPEECH, "\x1b[2JHa\u202eha"),), None, "t0")
    here = at().model_copy(update={"turns": (TurnRow.of(said),)})
    one = pair("p", first="\x1b]0;title\x07Aye.\r\n[2]\n  Nay", at=here)
    text = scene_text(one) + sides_text(one, "Anne")
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(text)
    assert "\n[2]\n" in text and text.count("\n[2]") == 1, "a side cannot pass for the other one"


# -- keys ------------------------------------------------------------------------------------------------------


def test_what_is_no_key_labels_nothing(tmp_path: Path) -> None:
    screen = sat(PAIRS[:1], tmp_path, ["two", "3", "\n", "yes", " T \n"])
    assert screen.text.count("1 or 2 is better") == 5  # above the pair, and after each of four
    assert hands(tmp_path) == {"Anne": {"p0": TIE}}


def test_undo_takes_back_the_last_answer_and_shows_its_pair_again(tmp_path: Path) -> None:
    sat(PAIRS[:3], tmp_path, ["t", "t", "u", "s", "t"])
    assert hands(tmp_path) == {"Anne": {"p0": TIE, "p2": TIE}}
    screen = sat(PAIRS[:1], tmp_path / "new", ["u", "t"])
    assert "nothing to take back" in screen.text


def test_undo_reaches_into_an_earlier_session(tmp_path: Path) -> None:
    sat(PAIRS[:3], tmp_path, ["t", "t"])
    sat(PAIRS[:3], tmp_path, ["u", "q"])
    assert hands(tmp_path) == {"Anne": {"p0": TIE}}


def test_a_skipped_pair_is_no_answer_and_comes_again_when_asked_for(tmp_path: Path) -> None:
    sat(PAIRS[:2], tmp_path, ["s", "t"])
    with Desk(PAIRS[:2], tmp_path, "Anne") as desk:
        assert desk.next() is None
        assert (desk.read.pairs, desk.read.answered, desk.read.skipped, desk.read.left) == (2, 1, 1, 0)
        desk.reopen()
        assert desk.next() == PAIRS[0]


# -- resuming --------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from("12tsu"), max_size=12), st.integers(0, 12))
@settings(max_examples=25)
def test_a_session_that_was_left_and_gone_on_with_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str], cut: int
) -> None:
    whole, parts = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("parts")
    sat(PAIRS, whole, keys)
    sat(PAIRS, parts, keys[:cut])
    sat(PAIRS, parts, keys[cut:])
    assert hand_file(whole, "Anne").read_bytes() == hand_file(parts, "Anne").read_bytes()


def test_a_line_that_a_kill_has_torn_is_taken_off_and_asked_again(tmp_path: Path) -> None:
    sat(PAIRS[:3], tmp_path, ["t", "t"])
    path = hand_file(tmp_path, "Anne")
    path.write_bytes(path.read_bytes()[:-9])
    assert hands(tmp_path) == {"Anne": {"p0": TIE}}
    sat(PAIRS[:3], tmp_path, ["t", "t"])
    assert hands(tmp_path) == {"Anne": dict.fromkeys(["p0", "p1", "p2"], TIE)}


def test_a_label_does_not_pass_to_another_text_under_the_same_id(tmp_path: Path) -> None:
    sat(PAIRS[:2], tmp_path, ["t", "t"])
    changed = [PAIRS[0], PAIRS[1].model_copy(update={"second": "Another thing."})]
    assert hands(tmp_path, {one.id: print_of(one) for one in changed}) == {"Anne": {"p0": TIE}}
    with Desk(changed, tmp_path, "Anne") as desk:
        assert desk.next() == changed[1]


def test_a_label_stays_when_only_the_known_answer_or_the_family_is_written_in() -> None:
    assert print_of(PAIRS[0]) == print_of(PAIRS[0].model_copy(update={"better": FIRST, "family": "padding"}))


# -- bad input -------------------------------------------------------------------------------------------------


def test_bad_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'p0' stands twice"):
        Desk([PAIRS[0], PAIRS[0]], tmp_path, "Anne")
    with pytest.raises(InputError, match="needs a name"):
        Desk(PAIRS, tmp_path, " ")
    sat(PAIRS[:1], tmp_path, ["t"], "An ne")
    with pytest.raises(InputError, match=r"an-ne.jsonl, line 1: is of 'An ne' and not of 'an-ne'"):
        Desk(PAIRS, tmp_path, "an-ne").__enter__()
    path = hand_file(tmp_path, "Anne")
    path.write_text('{"pair": "p0"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"anne.jsonl, line 1 is no label \(of: Field required\)"):
        hands(tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot be written"):
        Desk(PAIRS, tmp_path / "file", "Anne").__enter__()


def test_a_file_under_a_name_that_is_not_its_readers_is_refused(tmp_path: Path) -> None:
    sat(PAIRS[:1], tmp_path, ["t"])
    (tmp_path / "copy.jsonl").write_bytes(hand_file(tmp_path, "Anne").read_bytes())
    with pytest.raises(InputError, match=r"call it anne\.jsonl"):
        hands(tmp_path)


def test_no_pairs_and_readers_of_any_script(tmp_path: Path) -> None:
    assert sat([], tmp_path, ["1"]).shown == []
    sat(PAIRS[:1], tmp_path, ["t"], "安娜")
    sat(PAIRS[:1], tmp_path, ["t"], "آنا")
    assert set(hands(tmp_path)) == {"安娜", "آنا"}


# -- agreement -------------------------------------------------------------------------------------------------


def test_kappas_of_worked_examples() -> None:
    """By hand: 20 pairs; both first 8, both second 6, one first and other second 4, the reverse 2."""
    answers = [(FIRST, FIRST)] * 8 + [(SECOND, SECOND)] * 6 + [(FIRST, SECOND)] * 4 + [(SECOND, FIRST)] * 2
    chance = (12 * 10 + 8 * 10) / 400
    assert cohen(answers) == pytest.approx((0.7 - chance) / (1 - chance)) == pytest.approx(0.4)
    rows = [[FIRST, FIRST, FIRST], [FIRST, FIRST, SECOND], [TIE, TIE, SECOND], [SECOND, SECOND, SECOND]]
    seen = (1 + 1 / 3 + 1 / 3 + 1) / 4
    chance = (5 / 12) ** 2 + (5 / 12) ** 2 + (2 / 12) ** 2
    assert fleiss(rows) == pytest.approx((seen - chance) / (1 - chance))


@given(st.lists(ANSWERS, min_size=1, max_size=30))
def test_who_always_agrees_has_a_kappa_of_one_or_none(answers: list[Winner]) -> None:
    alike = None if len(set(answers)) == 1 else pytest.approx(1.0)
    assert cohen([(one, one) for one in answers]) == alike
    assert fleiss([[one] * 3 for one in answers]) == alike


@given(st.lists(st.tuples(ANSWERS, ANSWERS), max_size=30))
def test_cohens_kappa_does_not_hang_on_the_order_of_readers_or_sides(answers: list[tuple[Winner, Winner]]) -> None:
    here = cohen(answers)
    turned = cohen([(right.other, left.other) for left, right in answers])
    assert here is turned is None if here is None else here == pytest.approx(turned)
    assert here is None or -1 <= here <= 1


def test_readers_are_compared_on_what_they_share_and_on_nothing_else() -> None:
    found = agreement({"c": {"x": TIE}, "a": {"x": FIRST, "y": SECOND}, "b": {"x": FIRST, "y": SECOND, "z": TIE}})
    assert found.readers == ("a", "b", "c")
    assert [(m.one, m.other, m.pairs, m.same, m.kappa) for m in found.meetings] == [
        ("a", "b", 2, 1.0, 1.0),
        ("a", "c", 1, 0.0, 0.0),
        ("b", "c", 1, 0.0, 0.0),
    ]
    assert found.pairs == 1
    assert agreement({}).kappa is None and agreement({"a": {"x": TIE}}).kappa is None
    nothing = agreement({"a": {"x": TIE}, "b": {}})
    assert (nothing.pairs, nothing.kappa, nothing.meetings[0].same, nothing.meetings[0].kappa) == (0, None, None, None)


def test_the_end_tells_agreement_between_readers_and_with_known_answers(tmp_path: Path) -> None:
    pairs = [pair(f"p{n}", TIE if n % 2 else FIRST, at=at(place=n)) for n in range(4)]
    for reader in ("Anne", "Bo"):
        keys = ["t" if one.better is TIE else "12"[exchanged(one, reader)] for one in pairs]
        sat(pairs, tmp_path, keys if reader == "Anne" else ["t"] * 4, reader)
    between, known = summed_up(tmp_path, pairs)
    assert between.pairs == 4 and between.meetings[0].same == 0.5
    assert [(one.other, one.pairs, one.same) for one in known] == [("Anne", 4, 1.0), ("Bo", 4, 0.5)]
    assert lines(between, known) == [
        "Anne and Bo: 4 pairs in common, 50% the same, kappa 0.00",
        "Anne and the known answers: 4 pairs in common, 100% the same, kappa 1.00",
        "Bo and the known answers: 4 pairs in common, 50% the same, kappa 0.00",
    ]
    assert summed_up(tmp_path, PAIRS)[1] == ()
    assert lines(agreement({"a": {"x": TIE}, "b": {"x": TIE}, "c": {}}))[0::3] == [
        "a and b: 1 pair in common, 100% the same, no kappa",
        "all 3 readers: 0 pairs in common",
    ]


def test_a_majority_is_more_than_half_of_those_who_answered() -> None:
    assert majority([FIRST, FIRST, TIE]) is FIRST
    assert majority([FIRST, FIRST, TIE, SECOND]) is None
    assert majority([FIRST, SECOND]) is None
    assert majority([]) is None
