"""The library: what goes in comes out the same, and nothing that lies there is lost."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.errors import InputError, StorageError
from her.synth.reading.book import Book, Chapter
from her.synth.reading.library import Library


def book(text: str = "One.\n\nTwo.", title: str = "A Book", slug: str = "a-book") -> Book:
    sha = hashlib.sha256(text.encode()).hexdigest()
    return Book(slug, title, "Jane Doe", "en", text, (Chapter(1, "I", 0, len(text)),), sha)


def test_a_book_comes_back_as_it_was(tmp_path: Path) -> None:
    kept = Library(tmp_path / "books").add(book())
    assert kept == book()
    assert Library(tmp_path / "books").book("a-book") == book()
    assert Library(tmp_path / "books").slugs() == ("a-book",)


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=200))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("books")
    slug = Library(folder).add(book(text)).slug
    assert Library(folder).book(slug).text == text


def test_the_same_book_twice_is_kept_once(tmp_path: Path) -> None:
    library = Library(tmp_path)
    assert library.add(book()).slug == library.add(book()).slug == Library(tmp_path).add(book()).slug
    assert library.slugs() == ("a-book",)


def test_a44_a_name_clash_deletes_one_of_the_two(tmp_path: Path) -> None:
    library = Library(tmp_path)
    first, second, third = (library.add(book(text)) for text in ("One.", "Another.", "A third."))
    assert first.slug == "a-book"
    assert len({first.slug, second.slug, third.slug}) == 3
    assert all(slug.startswith("a-book") for slug in library.slugs())
    assert [Library(tmp_path).book(kept.slug).text for kept in (first, second, third)] == [
        "One.",
        "Another.",
        "A third.",
    ]
    assert library.add(book("Another.")).slug == second.slug, "the suffix follows from the book, not from the order"


def test_two_readings_of_one_text_are_two_books(tmp_path: Path) -> None:
    library = Library(tmp_path)
    other = replace(book(), chapters=(Chapter(1, "I", 0, 4), Chapter(2, "II", 6, 10)))
    assert library.add(book()).slug != library.add(other).slug


@pytest.mark.parametrize("name", ["a-book.json", "a-book.txt"])
def test_a_file_of_the_users_own_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("my notes", encoding="utf-8")
    kept = Library(tmp_path).add(book())
    assert kept.slug != "a-book"
    assert (tmp_path / name).read_text(encoding="utf-8") == "my notes"
    assert Library(tmp_path).book(kept.slug).text == book().text


@pytest.mark.parametrize("slug", ["con", "nul", "com1", "x" * 300, "紅" * 200])
def test_names_that_a_file_system_cannot_take_get_a_suffix(tmp_path: Path, slug: str) -> None:
    kept = Library(tmp_path).add(book(slug=slug))
    assert kept.slug != slug
    assert len(f"{kept.slug}.json".encode()) < 130
    assert Library(tmp_path).book(kept.slug) == kept


def test_a_text_that_was_changed_is_not_used(tmp_path: Path) -> None:
    Library(tmp_path).add(book())
    (tmp_path / "a-book.txt").write_text("One.\n\nTwo!", encoding="utf-8")
    with pytest.raises(StorageError, match="has changed since it was read"):
        Library(tmp_path).book("a-book")


def test_a_card_that_is_none_is_named(tmp_path: Path) -> None:
    Library(tmp_path).add(book())
    (tmp_path / "a-book.json").write_text("{}", encoding="utf-8")
    with pytest.raises(StorageError, match=r"a-book\.json: is not the card of a book"):
        Library(tmp_path).book("a-book")


@pytest.mark.parametrize("slug", ["another", "../a-book", "", "a-book.json"])
def test_an_unknown_slug_names_those_that_are_known(tmp_path: Path, slug: str) -> None:
    Library(tmp_path).add(book())
    with pytest.raises(InputError, match="there are: a-book"):
        Library(tmp_path).book(slug)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot be written"):
        Library(tmp_path / "file").add(book())


def test_only_the_last_few_books_stay_in_memory(tmp_path: Path) -> None:
    library = Library(tmp_path, held=2)
    slugs = [library.add(book(f"Text {n}.", slug=f"b{n}")).slug for n in range(4)]
    first = library.book(slugs[0])
    assert library.book(slugs[0]) is first
    for slug in slugs[1:3]:
        library.book(slug)
    assert library.book(slugs[0]) is not first
    assert not list(tmp_path.glob("*.part"))
