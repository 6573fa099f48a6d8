"""Quotations: every house style, exact places, and what only looks like speech."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.synth.reading.quotes import Convention, Quote, convention_of, quotes


def said(text: str) -> list[str]:
    return [quote.text for quote in quotes(text)]


def flags(text: str) -> list[str]:
    """Each quote with its flags: c for continued, u for unclosed, i for inline."""
    return [
        quote.text + "/" * any((quote.continued, quote.unclosed, quote.inline))
        + "c" * quote.continued + "u" * quote.unclosed + "i" * quote.inline
        for quote in quotes(text)
    ]  # fmt: skip


class TestHouseStyles:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ('"Hi," he said. "You?"', ["Hi,", "You?"]),
            ("“Hi,” he said, “you ‘odd’ man.”", ["Hi,", "you ‘odd’ man."]),
            ("‘Hi,’ he said. ‘It’s the boys’ dog.’", ["Hi,", "It’s the boys’ dog."]),
            ("'Hi,' he said. 'It's the boys' dog.'", ["Hi,", "It's the boys' dog."]),
            ("‘I saw “Emma”,’ she said. ‘Don’t go!’", ["I saw “Emma”,", "Don’t go!"]),
            ("''Tis true,' she said, 'an' all.'", ["'Tis true,", "an' all."]),
            ("‘Oh dear!' said Alice, ‘what's the time?'", ["Oh dear!", "what's the time?"]),
            ("„Guten Tag“, sagte er. „Wie geht’s?“", ["Guten Tag", "Wie geht’s?"]),
            ("„Dzień dobry” – powiedział. „Jak?”", ["Dzień dobry", "Jak?"]),
            ('„Guten Tag", sagte er. „Na?"', ["Guten Tag", "Na?"]),
            ("»Guten Tag«, sagte er. »Na?«", ["Guten Tag", "Na?"]),
            ("«Hola», dijo él. «¿Qué tal?»", ["Hola", "¿Qué tal?"]),
            ("« Bonjour », dit-il. « Oui ? »", ["Bonjour", "Oui ?"]),
            ("”Hej”, sa han. ”Hur är det?”", ["Hej", "Hur är det?"]),
            ("»Hei», sanoi hän. »Mitä kuuluu?»", ["Hei", "Mitä kuuluu?"]),
            ("“你好，”他说，“再见。”", ["你好，", "再见。"]),
            ("「你好」，他說。「這是『紅樓夢』。」", ["你好", "這是『紅樓夢』。"]),
            ("『はい』と言った。『「いいえ」だ』", ["はい", "「いいえ」だ"]),
            ("〝はい〟と言った。", ["はい"]),
            ("«Я думаю», — сказал он.", ["Я думаю"]),
        ],
    )
    def test_marks_of_many_houses(self, text: str, words: list[str]) -> None:
        assert said(text) == words

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("—Hola —dijo Juan—. ¿Qué tal?", ["Hola", "¿Qué tal?"]),
            ("—Bien —respondió ella.", ["Bien"]),
            ("—¿Y tú?", ["¿Y tú?"]),
            ("— Привет, — сказал он. — Как дела?", ["Привет,", "Как дела?"]),
            ("— Хорошо! — Он встал.", ["Хорошо!"]),
            ("— Я — человек.", ["Я — человек."]),
            ("— Oui, dit-il en riant, je viens.", ["Oui,", "je viens."]),
            ("— Oui ! s’écria la jeune fille. Et toi ?", ["Oui !", "Et toi ?"]),
            ("— Que dit-il ?", ["Que dit-il ?"]),
            ("– Ciao, – disse Mario. – Come stai?", ["Ciao,", "Come stai?"]),
            ("- Olá - disse ela. - Tudo bem?", ["Olá", "Tudo bem?"]),
            ("— Olá — disse ela. — Tudo bem?", ["Olá", "Tudo bem?"]),
            ("--No --dijo.", ["No --dijo."]),
        ],
    )
    def test_dashes_and_the_narrators_words_between_them(self, text: str, words: list[str]) -> None:
        assert said(text) == words

    def test_french_guillemets_that_dashes_share(self) -> None:
        text = "« Bonjour, dit-il en riant, comment vas-tu ?\n\n— Bien ! Et toi ?\n\n— Mal. »\n\nIl partit."
        assert flags(text) == ["Bonjour,", "comment vas-tu ?", "Bien ! Et toi ?", "Mal."]


class TestHabits:
    def test_singles_are_no_speech_in_a_book_of_doubles(self) -> None:
        text = "\"Go,\" he said.\n\nThe dogs' tails and the 'Genius' of it. 'Twas night.\n\n\"Yes.\""
        assert said(text) == ["Go,", "Yes."]

    def test_doubles_are_inside_in_a_book_of_singles(self) -> None:
        text = "‘Go,’ he said. ‘He cried “No!” and fled.’\n\n‘Yes.’"
        assert said(text) == ["Go,", "He cried “No!” and fled.", "Yes."]

    def test_dashes_at_the_start_are_no_speech_where_they_are_rare(self) -> None:
        text = "\n\n".join(['"Go," he said.'] * 20 + ["—Shakespeare"])
        assert said(text) == ["Go,"] * 20

    def test_the_habit_is_the_whole_books(self) -> None:
        text = "\n\n".join(['"Go," he said.'] * 20 + ["'Yes,' he thought, 'it's Bo.'"])
        at = text.index("'Yes")
        assert quotes(text, at) == []
        assert [quote.text for quote in quotes(text, at, convention=convention_of(text[at:]))] == ["Yes,", "it's Bo."]

    @pytest.mark.parametrize(
        ("text", "closers", "dashes"),
        [
            ('"A." "B."', {'"': '"'}, False),
            ("“A.” “B.”", {"“": "”"}, False),
            ('“A." “B."', {"“": '”"'}, False),
            ('“A.” “B.” "C." "D."', {"“": "”", '"': '"'}, False),
            ("—A.\n\n—B.", {}, True),
            ("Nothing is said.", {}, False),
        ],
    )
    def test_conventions(self, text: str, closers: dict[str, str], dashes: bool) -> None:
        assert convention_of(text) == Convention(closers, dashes)


class TestPlaces:
    def test_numbers_places_and_paragraphs(self) -> None:
        text = 'He came.\n\n"Go," he said. "Now!"\n\n"Why?"'
        assert quotes(text) == [
            Quote(1, 11, 14, "Go,", 10),
            Quote(2, 26, 30, "Now!", 10),
            Quote(3, 34, 38, "Why?", 33),
        ]

    def test_a_span_counts_from_one_and_keeps_the_books_places(self) -> None:
        text = '"One."\n\n"Two."\n\n"Three."'
        (quote,) = quotes(text, 8, 14)
        assert (quote.number, quote.start, quote.text, quote.paragraph_start) == (1, 9, "Two.", 8)

    def test_a_space_behind_the_opener_belongs_to_nobody(self) -> None:
        text = '" You want to tell me." \n\n"Yes , " he said. « Oui »'
        assert said(text)[:2] == ["You want to tell me.", "Yes ,"]

    def test_lines_of_verse_stay_inside(self) -> None:
        assert said('"Roses\nare red," he sang.') == ["Roses\nare red,"]

    def test_lines_of_verse_that_each_open_again_are_one_speech(self) -> None:
        text = '"Many a flower,\n"And waste its fragrance\n"On the air." he read. "More."'
        assert flags(text) == ["Many a flower,", "And waste its fragrance/c", "On the air./c", "More."]

    def test_empty_marks_say_nothing(self) -> None:
        assert said('"" and " " and “” — »«') == []


class TestLongSpeech:
    def test_paragraphs_that_open_again_are_continued(self) -> None:
        assert flags('"One\n\n"Two\n\n"Three," he said.\n\nHe left.') == ["One", "Two/c", "Three,/c"]
        assert flags("“One\n\n“Two,” he said. “Three.”") == ["One", "Two,/c", "Three."]
        assert flags("‘One\n\n‘Two,’ he said. ‘Three.’") == ["One", "Two,/c", "Three."]
        assert flags("«Uno\n\n»Dos», dijo.") == ["Uno", "Dos/c"]

    def test_a_paragraph_that_was_broken_in_two_is_continued(self) -> None:
        assert flags('"As handsome as any, Mr.\n\nBingley is," he said.\n\n"Oh!"') == [
            "As handsome as any, Mr.",
            "Bingley is,/c",
            "Oh!",
        ]
        assert flags("“One.\n\nTwo.\n\nThree,” he said.") == ["One.", "Two./c", "Three,/c"]

    def test_what_nobody_closes_ends_with_its_paragraph(self) -> None:
        assert flags('"One he said.\n\nHe left.') == ["One he said./u"]
        assert flags('"One he said.') == ["One he said./u"]
        assert flags("“One he said.\n\nHe read “Emma.”") == ["One he said./u", "Emma."]

    def test_a_missing_closer_ends_where_the_next_opens(self) -> None:
        assert flags('"Hello, he said. "How are you?" he asked.') == ["Hello, he said./u", "How are you?"]
        assert flags("“Hello, he said. “How are you?” he asked.") == ["Hello, he said./u", "How are you?"]

    def test_a_space_on_the_wrong_side_is_no_missing_closer(self) -> None:
        assert flags('"Hello, "said he. "Bye."') == ["Hello,", "Bye."]

    def test_nested_marks_of_one_sort_belong_to_the_outer(self) -> None:
        assert said("“He said “no” twice,” she said.") == ["He said “no” twice,"]

    def test_a_stray_closer_and_inches_are_nothing(self) -> None:
        assert said('He is 6\'2" tall. "Yes," he said.') == ["Yes,"]
        assert said('so." He left. "Yes."') == ["Yes."]


class TestInline:
    @pytest.mark.parametrize(
        ("text", "inline"),
        [
            ('He read "Emma" aloud.', True),
            ('She was "Mrs. Wickham" now.', True),
            ("所谓“人才”就是他。", True),
            ('He said, "Yes" and left.', False),
            ('"Yes" was all he said.', False),
            ('He cried "Never!" and left.', False),
            ('He asked "if she would ever come back to him" and left.', False),
            ("他说：“是”。", False),
        ],
    )
    def test_words_held_up_are_told_from_words_said(self, text: str, inline: bool) -> None:
        (quote,) = quotes(text)
        assert quote.inline is inline


_signs = st.sampled_from([*"ab .,!?\n\"“”‘’'„«»「」—-", "\n\n", "it's ", " «", "» ", "— "])


class TestProperties:
    @given(st.lists(_signs, max_size=60).map("".join))
    def test_quotes_are_places_in_order_without_overlap(self, text: str) -> None:
        at = 0
        for number, quote in enumerate(quotes(text), 1):
            assert quote.number == number
            assert text[quote.start : quote.end] == quote.text == quote.text.strip() != ""
            assert at <= quote.start
            assert quote.paragraph_start <= quote.start
            assert "\n\n" not in text[quote.paragraph_start : quote.end].strip("\n")
            at = quote.end

    @given(st.text(max_size=100), st.integers(0, 100), st.integers(0, 100))
    def test_any_span_of_any_text(self, text: str, one: int, other: int) -> None:
        start, end = sorted((min(one, len(text)), min(other, len(text))))
        assert all(start <= quote.start < quote.end <= end for quote in quotes(text, start, end))

    @given(st.lists(st.sampled_from(["Go on now.", "Why?", "I will, if you do", "Ah!"]), min_size=1, max_size=6))
    @pytest.mark.parametrize(
        ("left", "right"), [('"', '"'), ("“", "”"), ("‘", "’"), ("„", "“"), ("«", "»"), ("「", "」")]
    )
    def test_what_was_quoted_is_found_again(self, left: str, right: str, spoken: list[str]) -> None:
        text = "\n\n".join(f"{left}{words},{right} said somebody. The rain fell." for words in spoken)
        assert said(text) == [f"{words}," for words in spoken]


class TestPrideAndPrejudice:
    def test_a_novel_is_read_in_a_fifth_of_a_second(self, her_data: Path) -> None:
        text = (her_data / "books" / "pride_and_prejudice.txt").read_text(encoding="utf-8")
        start = time.perf_counter()
        found = quotes(text)
        assert time.perf_counter() - start < 0.2
        assert len(found) > 1_900
        assert sum(quote.unclosed for quote in found) < 20, "letters, most of which no mark closes"
        assert [quote.text for quote in found if quote.inline] == ["Mrs. Wickham"]
        assert found[2].text == "But it is,"
        assert any(quote.text == "You want to tell me, and I have no objection to hearing it." for quote in found)
        assert not any('"' in quote.text for quote in found)

    def test_nearly_all_marks_are_accounted_for(self, her_data: Path) -> None:
        text = (her_data / "books" / "pride_and_prejudice.txt").read_text(encoding="utf-8")
        found = quotes(text)
        opened = sum(not (quote.continued and text[quote.start - 2 : quote.start] == "\n\n") for quote in found)
        closed = sum(text[quote.end : quote.end + 2].lstrip().startswith('"') for quote in found)
        assert opened + closed > 0.99 * text.count('"')
