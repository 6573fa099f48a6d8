"""The measures: what each one counts, where it does not apply, and that no text can break them."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her import checks, markup
from her.checks.layout import Layouts
from her.checks.minds import MIND_LANGUAGES
from her.checks.perspective import LANGUAGES
from her.checks.units import without_quotes
from her.errors import UnknownName
from her.turn import Dialogue, Kind, Segment, Turn

PLAN, THOUGHT, ACTION, SPEECH = Kind.SYSTEM_THINKING, Kind.ROLE_THINKING, Kind.ROLE_ACTION, Kind.SPEECH

segments = st.builds(Segment, st.sampled_from(Kind), st.text(max_size=60))
turns = st.builds(Turn, st.sampled_from(["Anne", "Ben", "王"]), st.lists(segments, max_size=5).map(tuple))
languages = st.sampled_from([*sorted(LANGUAGES | MIND_LANGUAGES), "xx", ""])


def turn(*parts: tuple[Kind, str], speaker: str = "Anne", heard_by: frozenset[str] | None = None) -> Turn:
    return Turn(speaker, tuple(Segment(kind, text) for kind, text in parts), heard_by)


def said(text: str, speaker: str = "Anne") -> Turn:
    return turn((SPEECH, text), speaker=speaker)


def laid_out(*layouts: str) -> list[Turn]:
    kinds = {"t": THOUGHT, "a": ACTION, "s": SPEECH, "p": PLAN}
    return [turn(*((kinds[letter], "x") for letter in layout)) for layout in layouts]


class TestEveryText:
    @given(st.text() | st.text(alphabet="aI他我 .!?…\"“”‘’「」«»'\n哈", max_size=200))
    def test_no_text_breaks_a_measure_of_text(self, text: str) -> None:
        for share in (checks.repeated_share(text), checks.repeated_sentences(text), checks.foreign_share(text, "zh")):
            assert share is None or 0 <= share <= 1
        for rate in (checks.slop_rate(text, "zh"), checks.slop_rate(text, "en"), checks.contrast_rate(text, "en")):
            assert rate is None or rate >= 0
        loop = checks.find_loop(text)
        assert loop is None or (0 <= loop.start < loop.end <= len(text) and loop.times >= 3)
        sizes = checks.length(text)
        assert sizes.units == len(checks.units(text))
        assert sizes.sentences == len(checks.sentences(text))
        assert sizes.longest_sentence <= len(text)
        assert len(without_quotes(text)) == len(text)
        assert checks.language_of(text) is None or checks.wrong_language(text, "en") in {True, False}

    @given(turns, languages)
    def test_findings_point_at_the_words_they_name(self, one: Turn, language: str) -> None:
        for found in (checks.perspective(one, language), checks.mind_reading(one, language, ["Ben"])):
            for finding in found or ():
                segment = one.segments[finding.segment]
                assert segment.kind is finding.kind
                assert segment.text[finding.start : finding.end] == finding.text != ""

    @given(st.lists(turns, max_size=6), turns)
    def test_no_dialogue_breaks_a_measure_of_turns(self, before: list[Turn], one: Turn) -> None:
        dialogue = Dialogue(frozenset({"Anne", "Ben", "王"}), tuple(before))
        for leak in checks.leaks(one, dialogue, size=1) or ():
            assert one.segments[leak.segment].text[leak.start : leak.end] == leak.text
            assert dialogue.turns[leak.turn].speaker == leak.owner != one.speaker
        for share in (
            checks.own_copy(one, before),
            checks.partner_copy(one, before),
            checks.repeated_openings(before),
            checks.layouts(before).top_share,
        ):
            assert share is None or 0 <= share <= 1
        assert set(checks.lengths(one)) == {segment.kind for segment in one.segments}

    @pytest.mark.parametrize(
        "piece", ["He secretly thinks I am. ", "我很高兴他心里想", ".", "“", '"', "I ", "a", " ", "\n", "not a, "]
    )
    def test_time_grows_no_faster_than_the_text(self, piece: str) -> None:
        small, large = (self._seconds(piece * (size // len(piece)) + "x") for size in (25_000, 200_000))
        assert large < 8 * 5 * small + 1.0, "eight times the text must not take forty times as long"

    @pytest.mark.long
    @pytest.mark.parametrize("piece", ["He secretly thinks I am. ", "我很高兴他心里想", "."])
    def test_a_megabyte_is_read_in_linear_time(self, piece: str) -> None:
        small, large = (self._seconds(piece * (size // len(piece)) + "x") for size in (125_000, 1_000_000))
        assert large < 8 * 3 * small + 1.0

    @staticmethod
    def _seconds(text: str) -> float:
        one = turn(*((kind, text) for kind in Kind))
        dialogue = Dialogue(frozenset({"Anne", "Ben"}), (turn((THOUGHT, text), speaker="Ben"),))
        measures: list[Callable[[], object]] = [
            lambda: checks.repeated_share(text),
            lambda: checks.repeated_sentences(text),
            lambda: checks.find_loop(text),
            lambda: checks.length(text),
            lambda: checks.slop_rate(text, "en"),
            lambda: checks.contrast_rate(text, "en"),
            lambda: checks.language_of(text),
            lambda: [checks.perspective(one, language) for language in ("en", "zh")],
            lambda: [checks.mind_reading(one, language) for language in ("en", "zh")],
            lambda: checks.leaks(one, dialogue),
        ]
        start = time.process_time()
        for measure in measures:
            measure()
        return time.process_time() - start


class TestLayouts:
    def test_counts_shares_and_runs(self) -> None:
        found = checks.layouts(laid_out("ts", "ts", "s", "ats", "ts"))
        assert found.counts == (("thought-speech", 3), ("action-thought-speech", 1), ("speech", 1))
        assert (found.turns, found.distinct, found.top_share, found.longest_run) == (5, 3, 0.6, 2)

    def test_a_plan_alone_is_not_a_layout(self) -> None:
        assert checks.layouts(laid_out("p", "ps", "s")).counts == (("speech", 2),)

    def test_no_turns_have_no_share_and_no_entropy(self) -> None:
        found = checks.layouts([])
        assert (found.top_share, found.entropy, found.longest_run, found.turns) == (None, None, 0, 0)

    def test_entropy_of_two_equal_halves_is_one_bit(self) -> None:
        assert checks.layouts(laid_out("s", "ts", "s", "ts")).entropy == pytest.approx(1)

    @given(st.lists(st.text(alphabet="tas", min_size=1, max_size=4), min_size=1, max_size=30))
    def test_entropy_lies_between_nothing_and_all_alike(self, layouts: list[str]) -> None:
        found = checks.layouts(laid_out(*layouts))
        assert found.entropy is not None
        assert 0 <= found.entropy <= math.log2(found.distinct) + 1e-9
        assert (found.entropy == 0) == (found.distinct == 1)
        assert found.longest_run <= found.counts[0][1]

    def test_the_collapse_of_the_paper_is_below_its_bits(self) -> None:
        collapsed = Layouts((("thought-action-speech", 961), ("speech", 39)), 400)
        assert collapsed.top_share == 0.961
        assert collapsed.entropy is not None
        assert collapsed.entropy < 0.28


class TestRepetition:
    @given(st.text(alphabet="ab cd我你. ", max_size=80))
    def test_a_doubled_text_repeats_more_than_the_text(self, text: str) -> None:
        once, twice = checks.repeated_share(text), checks.repeated_share(f"{text} {text}")
        if once is not None:
            assert twice is not None
            assert twice > once

    def test_a_text_without_repetition_scores_nothing(self) -> None:
        assert checks.repeated_share("one two three four five six") == 0

    def test_a_text_shorter_than_a_run_has_no_share(self) -> None:
        assert checks.repeated_share("one two three") is None
        assert checks.repeated_share("我很高") is None

    def test_chinese_is_counted_by_characters(self) -> None:
        assert checks.repeated_share("今天的天气真好呀今天的天气真好") == pytest.approx(7 / 15)
        assert checks.repeated_share("今天天气好呀今天天气好") == 0, "five characters are fewer than four words"

    def test_repeated_sentences(self) -> None:
        assert checks.repeated_sentences("I see. Do you? I see. I see!") == 0.5
        assert checks.repeated_sentences("Mr. Darcy bowed.") is None

    @pytest.mark.parametrize(
        ("text", "times"),
        [
            ("Oh, I'm delighted, I'm delighted, I'm delighted, I'm delighted to", 4),
            ("He left. She wept. He left. She wept. He left. She wept.", 3),
            ("我很高兴，我很高兴，我很高兴，真的", 3),
            ("No! " + "ha" * 20, 20),
        ],
    )
    def test_loops_are_found(self, text: str, times: int) -> None:
        loop = checks.find_loop(text)
        assert loop is not None
        assert loop.times == times

    @pytest.mark.parametrize(
        "text",
        [
            "Never, never, never, never, never!",
            "Nooooooooo!",
            "哈哈哈哈",
            " " * 99,
            "Well... well... I never.",
            "To be, or not to be: that is the question.",
            "",
        ],
    )
    def test_speech_is_no_loop(self, text: str) -> None:
        assert checks.find_loop(text) is None

    def test_the_place_of_a_loop_is_its_words(self) -> None:
        text = "So: yes sir, yes sir, yes sir, yes sir!"
        loop = checks.find_loop(text)
        assert loop is not None
        assert text[loop.start : loop.end] == "yes sir, yes sir, yes sir, yes sir"
        assert (loop.period, loop.unit) == (2, "unit")

    def test_copies_are_told_apart_by_whose_words_they_are(self) -> None:
        before = [said("the moon is over the old mill"), said("give me back my horse at once", "Ben")]
        again = said("give me back my horse at once")
        assert checks.own_copy(again, before) == 0
        assert checks.partner_copy(again, before) == 1
        assert checks.own_copy(said("I say the moon is over the sea tonight"), before) == pytest.approx(5 / 9)

    def test_copies_compare_like_with_like(self) -> None:
        before = [turn((THOUGHT, "he will be here before the night"))]
        assert checks.own_copy(said("he will be here before the night"), before) is None
        assert checks.own_copy(before[0], before, kinds={THOUGHT}) == 1

    def test_a_first_turn_copies_nobody(self) -> None:
        assert checks.own_copy(said("good evening to all of you"), []) is None
        assert checks.partner_copy(said("good evening to all of you"), [said("It rains.", "Environment")]) is None

    def test_openings(self) -> None:
        talk = [said("Oh my dear, no"), said("Oh my dear, yes", "Ben"), said("Oh my dear, why"), said("Not so")]
        assert checks.repeated_openings(talk) == 0.5
        assert checks.repeated_openings(talk[:2]) is None

    def test_copied_share_needs_a_source(self) -> None:
        assert checks.copied_share("one two three four", []) is None
        assert checks.copied_share("one two three four", ["zero one two three four five"]) == 1


class TestPerspective:
    def test_each_layer_has_its_person(self) -> None:
        one = turn(
            (PLAN, 'I must portray Anne as proud. I feel hurt. She says "I will not go" here.'),
            (THOUGHT, "Anne wonders at this. I am tired."),
            (ACTION, "She smiles at him and lifts my hand"),
        )
        found = checks.perspective(one, "en-GB")
        assert found is not None
        assert [(f.segment, f.text) for f in found] == [(0, "I"), (1, "Anne wonders"), (2, "She"), (2, "my")]

    @pytest.mark.parametrize(
        ("language", "kind", "text", "words"),
        [
            ("zh", PLAN, "我需要塑造骄傲的她。我很难过。她说“我不去”。", ["我"]),
            ("zh", ACTION, "他们的手被握住", []),
            ("zh", ACTION, "她微笑", ["她"]),
            ("fr", ACTION, "je souris", ["je"]),
            ("fr", PLAN, "Elle hésite, mais j'ai peur.", ["j'ai"]),
            ("de", ACTION, "nimmt meine Hand", ["meine"]),
            ("es", ACTION, "toma mi mano", ["mi"]),
            ("en", ACTION, "smiles and turns to her", []),
            ("en", PLAN, "The aim, i.e. the point: let her be proud.", []),
            ("en", THOUGHT, "She is lying. What a fine evening.", []),
            ("en", THOUGHT, "Calm yourself, Anne, will you?", []),
        ],
    )
    def test_pronouns_of_a_language(self, language: str, kind: Kind, text: str, words: list[str]) -> None:
        found = checks.perspective(turn((kind, text)), language)
        assert found is not None
        assert [finding.text for finding in found] == words

    def test_a_family_name_may_be_somebody_elses(self) -> None:
        one = turn((THOUGHT, "Mr. Bennet is teasing. Elizabeth is not amused."), speaker="Elizabeth Bennet")
        found = checks.perspective(one, "en")
        assert found is not None
        assert [finding.text for finding in found] == ["Elizabeth is"]

    def test_speech_may_say_anything(self) -> None:
        assert checks.perspective(said("I am Anne. Anne is I."), "en") == ()

    def test_an_unknown_language_is_not_judged(self) -> None:
        assert checks.perspective(said("x"), "sv") is None


class TestOtherMinds:
    @pytest.mark.parametrize(
        ("language", "text"),
        [
            ("en", "He secretly loves me."),
            ("en", "Ben is thinking of the ball."),
            ("en", "looks away, knowing that she was thinking of him"),
            ("en", "I can see his true intentions."),
            ("en", "Deep down, she envies us."),
            ("zh", "他心里其实爱着我。"),
            ("zh", "她正在盘算怎么走。"),
            ("zh", "我知道他想离开。"),
        ],
    )
    @pytest.mark.parametrize("kind", [THOUGHT, ACTION])
    def test_stating_a_hidden_mind_is_found(self, language: str, text: str, kind: Kind) -> None:
        assert checks.mind_reading(turn((kind, text)), language, ["Ben", "Anne"])

    @pytest.mark.parametrize(
        ("language", "text"),
        [
            ("en", "Perhaps he secretly loves me."),
            ("en", "She is thinking of the ball?"),
            ("en", "His hand shakes; he must be hiding something."),
            ("en", "He is planting roses. The hen is hatching."),
            ("en", 'He said "she secretly loves you" and laughed.'),
            ("en", "Anne is thinking of the ball."),
            ("zh", "他也许心里爱着我。"),
            ("zh", "她的手在抖。"),
        ],
    )
    def test_inference_and_deeds_are_not(self, language: str, text: str) -> None:
        assert checks.mind_reading(turn((THOUGHT, text)), language, ["Ben", "Anne"]) == ()

    def test_speech_may_accuse(self) -> None:
        assert checks.mind_reading(said("He secretly loves you!"), "en") == ()

    def test_an_unknown_language_is_not_judged(self) -> None:
        assert checks.mind_reading(turn((THOUGHT, "x")), "fr") is None


class TestLeaks:
    cast = frozenset({"Anne", "Ben", "Cleo"})
    secret = "the letter lies under the third stair behind the clock"

    def talk(self, *turns: Turn) -> Dialogue:
        return Dialogue(self.cast, turns)

    def test_a_thought_never_heard_is_a_leak(self) -> None:
        before = self.talk(turn((THOUGHT, self.secret), (SPEECH, "Good day"), speaker="Ben"))
        (leak,) = checks.leaks(said("I know: the letter lies under the third stair!"), before) or ()
        assert (leak.owner, leak.kind, leak.turn) == ("Ben", THOUGHT, 0)
        assert leak.text == "the letter lies under the third stair"

    def test_a_plan_and_a_whisper_out_of_earshot_are_too(self) -> None:
        whisper = turn((SPEECH, self.secret), speaker="Ben", heard_by=frozenset({"Cleo"}))
        plan = turn((PLAN, self.secret), (SPEECH, "Yes"), speaker="Ben")
        for hidden in (whisper, plan):
            assert checks.leaks(said(self.secret), self.talk(hidden))

    def test_what_the_speaker_saw_is_no_leak(self) -> None:
        hidden = turn((THOUGHT, self.secret), speaker="Ben")
        assert checks.leaks(said(self.secret), self.talk(hidden, said(self.secret, "Cleo"))) == ()
        assert checks.leaks(said(self.secret), self.talk(hidden), known=f"Note: {self.secret}.") == ()
        assert checks.leaks(said(self.secret), self.talk(hidden, turn((THOUGHT, self.secret)))) == ()

    def test_chinese_leaks_are_found_by_characters(self) -> None:
        hidden = turn((THOUGHT, "那封信藏在第三级楼梯的下面"), speaker="Ben")
        (leak,) = checks.leaks(said("信藏在第三级楼梯的下面吗？"), self.talk(hidden)) or ()
        assert leak.text == "信藏在第三级楼梯的下面"

    def test_nothing_hidden_means_nothing_to_say(self) -> None:
        assert checks.leaks(said(self.secret), self.talk(said("Good day", "Ben"))) is None

    def test_a_stranger_is_an_error(self) -> None:
        with pytest.raises(UnknownName):
            checks.leaks(said("x", "Zoe"), self.talk())


class TestLength:
    def test_each_script_has_its_unit(self) -> None:
        sizes = checks.length("Mr. Darcy's here. 你好，世界！")
        assert (sizes.words, sizes.ideographs, sizes.units) == (3, 4, 7)
        assert (sizes.sentences, sizes.longest_sentence) == (2, 17)
        assert sizes.characters == 15 + 6

    def test_layers_are_measured_apart(self) -> None:
        found = checks.lengths(turn((THOUGHT, "one two"), (SPEECH, "three"), (THOUGHT, "four")))
        assert {kind: size.words for kind, size in found.items()} == {THOUGHT: 3, SPEECH: 1}


class TestSlop:
    def test_stock_phrases_are_counted_per_thousand_words(self) -> None:
        text = "Her voice was barely above a whisper" + " and so it went" * 3
        assert checks.slop_rate(text, "en") == pytest.approx(1000 / 19)
        assert checks.slop_rate("她不禁微微一笑", "zh-Hans") == pytest.approx(2000 / 7)

    def test_where_it_does_not_apply(self) -> None:
        assert checks.slop_rate("...", "en") is None
        assert checks.slop_rate("un soupir", "fr") is None
        assert checks.contrast_rate("un soupir", "fr") is None

    def test_lists_from_elsewhere_come_in_either_form(self) -> None:
        text = "a voice so low"
        assert checks.phrase_rate(text, ["voice"]) == checks.phrase_rate(text, [["voice"]]) == 250
        assert checks.phrase_rate(text, [["voice low"]]) == 0
        assert checks.phrase_rate(text, [["voice low"]], skip={"a", "so"}) == 250

    def test_published_lists_can_be_used(self, her_data: Path) -> None:
        phrases = json.loads((her_data / "slop_score" / "slop_list_bigrams.json").read_text(encoding="utf-8"))
        rate = checks.phrase_rate("He took a deep breath, voice low.", phrases, skip={"a", "he"})
        assert rate is not None
        assert rate > 0

    @pytest.mark.parametrize(
        ("language", "text"),
        [("en", "It isn't a house, it's a home."), ("en", "not only proud but vain"), ("zh", "这不是爱，而是恨。")],
    )
    def test_contrasts_are_found(self, language: str, text: str) -> None:
        assert checks.contrast_rate(text, language) == pytest.approx(1000 / len(checks.units(text)))
        assert checks.contrast_rate("Nothing of the kind, but thank you.", "en") == 0


class TestLanguage:
    @pytest.mark.parametrize(
        ("text", "language"),
        [
            ("Good evening, Miss Bennet. I'm glad that you came.", "en"),
            ("Guten Abend, ich bin froh, dass Sie da sind und nicht krank.", "de"),
            ("Bonsoir, je suis heureux que vous soyez là.", "fr"),
            ("Buenas noches, estoy muy feliz de que usted esté aquí.", "es"),
            ("Добрый вечер, я так рад, что вы пришли.", "ru"),
            ("班纳特小姐，晚上好。", "zh"),
            ("こんばんは、ベネットさん。", "ja"),
            ("私は今晩彼女に会いたい。", "ja"),
            ("que la de un", None),
            ("안녕하세요, 베넷 양.", "ko"),
            ("Yes.", None),
            ("Elizabeth Bennet", None),
            ("Good evening 晚上好", None),
            ("...", None),
            ("", None),
        ],
    )
    def test_a_language_is_named_or_not(self, text: str, language: str | None) -> None:
        assert checks.language_of(text) == language

    def test_a_wrong_language_is_only_said_when_sure(self) -> None:
        assert checks.wrong_language("班纳特小姐，晚上好。", "en-GB") is True
        assert checks.wrong_language("Is that the man you are to marry?", "en") is False
        assert checks.wrong_language("Yes.", "fr") is None
        assert checks.wrong_language("Is that the man you are to marry?", "sv") is None

    def test_mixed_scripts_are_measured(self) -> None:
        assert checks.foreign_share("我很good", "zh") == pytest.approx(4 / 6)
        assert checks.foreign_share("Ça va", "fr") == 0
        assert checks.foreign_share("123", "fr") is None
        assert checks.foreign_share("hej", "sv") is None


class TestHumanText:
    """What people wrote must not trip the alarms that are meant for models."""

    def test_scenes_from_novels_raise_few_alarms(self, her_data: Path) -> None:
        cases = json.loads((her_data / "coser" / "test_set_pd_english.json").read_text(encoding="utf-8"))
        spoken = [
            markup.parse(line["message"], style=markup.Style.BRACKETS, speaker=line["character"]).turn
            for case in cases
            for line in case["dialogues"]
        ]
        assert len(spoken) > 300
        texts = ["\n".join(segment.text for segment in one.segments) for one in spoken]
        assert not any(checks.find_loop(text) for text in texts)
        assert not any(checks.wrong_language(text, "en") for text in texts)
        assert sum(bool(checks.mind_reading(one, "en")) for one in spoken) < 0.02 * len(spoken)
        assert sum(bool(checks.perspective(one, "en")) for one in spoken) < 0.05 * len(spoken)

    def test_a_novel_is_no_slop(self, her_data: Path) -> None:
        book = (her_data / "books" / "pride_and_prejudice.txt").read_text(encoding="utf-8")
        rate = checks.slop_rate(book, "en")
        assert rate is not None
        assert rate < 0.2
        assert checks.language_of(book) == "en"
        assert checks.find_loop(book) is None
