"""A chat as a file: complete where everything is asked for, and silent about what is not."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatting import NAMES, last_of, scene, session
from her.chat.export import Format, export, turn_json
from her.chat.session import Session
from her.chat.store import Chat, Node, Origin, Store
from her.errors import InputError, UnknownName
from her.scene import Scene
from her.turn import ENVIRONMENT, VIEWS, Kind, Segment, Turn, View

FORMATS: tuple[Format, ...] = ("text", "json", "jsonl")
VIEWPOINTS = [View(plans, minds) for plans, minds in product([False, True], repeat=2)]


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "chats.db") as store:
        yield store


async def played(folder: Path) -> Session:
    """A chat with every kind of turn: opening, thought of the person's own, answer, whisper, the world."""
    chat, _ = session(folder)
    chat.say("[my own thought] *waves* Hello\nthere")
    await last_of(chat.reply("Ann"))
    chat.whisper("Cleo", "psst")
    chat.say("It rains.", speaker=ENVIRONMENT)
    await chat.close()
    return chat


async def test_text_reads_like_a_play_and_hides_both_layers(tmp_path: Path) -> None:
    chat = await played(tmp_path)
    assert export(chat.store, chat.chat_id, format="text") == (
        "In the cellar\n\nA dark cellar.\n\n"
        "Ann: Who is there?\n\n"
        "Ben: (waves)\nHello\nthere\n\n"
        "Ann: (nods)\nVery well.\n\n"
        "Ben (to Cleo): psst\n\n"
        "Environment: It rains.\n"
    )
    mine = export(chat.store, chat.chat_id, format="text", as_name="Ben")
    assert "[my own thought]" in mine and "secret" not in mine
    theirs = export(chat.store, chat.chat_id, format="text", as_name="Ann")
    assert "psst" not in theirs, "what a player did not hear is not in the player's file"
    everything = export(chat.store, chat.chat_id, format="text", view=VIEWS["director"])
    assert "{secret plan}" in everything and "[secret thought]" in everything


async def test_json_holds_chat_scene_and_turns(tmp_path: Path) -> None:
    chat = await played(tmp_path)
    data = json.loads(export(chat.store, chat.chat_id[:4], format="json", view=VIEWS["director"]))
    assert (data["chat"]["id"], data["chat"]["view"]) == (chat.chat_id, "director")
    assert Scene.model_validate(data["scene"]).cast == chat.scene.cast
    assert [turn["id"] for turn in data["turns"]] == [node.id for node in chat.line]
    assert data["turns"][2]["segments"] == [
        {"kind": "system_thinking", "text": "secret plan"},
        {"kind": "role_thinking", "text": "secret thought"},
        {"kind": "role_action", "text": "nods"},
        {"kind": "speech", "text": "Very well."},
    ]
    assert data["turns"][3]["heard_by"] == ["Cleo"] and "heard_by" not in data["turns"][2]


async def test_jsonl_has_one_turn_a_line_and_how_it_was_made_only_with_plans(tmp_path: Path) -> None:
    chat = await played(tmp_path)
    rows = [json.loads(line) for line in export(chat.store, chat.chat_id, format="jsonl").splitlines()]
    assert [row["speaker"] for row in rows] == ["Ann", "Ben", "Ann", "Ben", ENVIRONMENT]
    assert not any({"model", "prompt_sha", "seed"} & set(row) for row in rows)
    rows = [json.loads(s) for s in export(chat.store, chat.chat_id, format="jsonl", view=View(plans=True)).splitlines()]
    made = chat.line[2].made
    assert made is not None
    assert (rows[2]["model"], rows[2]["prompt_sha"], rows[2]["seed"]) == ("scripted", made.prompt_sha, 7)
    assert "model" not in rows[1]


async def test_only_the_current_line_is_exported(tmp_path: Path) -> None:
    chat, _ = session(tmp_path)
    chat.say("first version")
    chat.edit(chat.line[-1].id, "second version")
    text = export(chat.store, chat.chat_id, format="text")
    assert "second version" in text and "first version" not in text
    chat.clear()
    assert "second version" not in export(chat.store, chat.chat_id, format="text")


async def test_one_turn_as_json_has_the_documented_fields(tmp_path: Path) -> None:
    chat = await played(tmp_path)
    data = json.loads(json.dumps(turn_json(chat.line[2])))
    assert set(data) >= {"speaker", "segments", "faults", "ending", "model", "prompt_sha", "seed", "usage"}
    assert [segment["kind"] for segment in data["segments"]] == list(map(str, Kind))
    assert (data["speaker"], data["ending"], data["model"], data["seed"]) == ("Ann", "complete", "scripted", 7)
    assert set(data["usage"]) == {"prompt_tokens", "cached_tokens", "completion_tokens"}
    mine = json.loads(json.dumps(turn_json(chat.line[1])))
    assert (mine["model"], mine["prompt_sha"], mine["seed"], mine["usage"]) == (None,) * 4
    open_bracket = chat.say("Hello [never closed")
    assert turn_json(open_bracket)["faults"][0]["kind"] == "unclosed"
    assert "secret" not in str(turn_json(chat.line[2], VIEWS["immersive"], "Ben"))
    assert turn_json(chat.line[3], VIEWS["immersive"], "Ann")["segments"] == []


def test_an_unknown_chat_or_name_is_told(store: Store) -> None:
    with pytest.raises(InputError, match="no chat"):
        export(store, "zzzz", format="text")
    chat = store.new_chat(Chat("", "t", scene().model_dump(mode="json"), None, NAMES, {}, 1))
    with pytest.raises(UnknownName):
        export(store, chat.id, format="text", as_name="Ghost")


marked = st.builds(
    lambda speaker, kinds, heard: Turn(
        speaker, tuple(Segment(kind, f"⟪{speaker}/{kind.value}⟫ {at}") for at, kind in enumerate(kinds)), heard
    ),
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(list(Kind)), min_size=1, max_size=5),
    st.none() | st.frozensets(st.sampled_from(NAMES)),
)


@given(
    turns=st.lists(marked, max_size=6),
    format=st.sampled_from(FORMATS),
    view=st.sampled_from(VIEWPOINTS),
    as_name=st.none() | st.sampled_from(NAMES),
)
def test_no_export_holds_a_layer_or_a_word_that_its_reader_may_not_see(
    store: Store, turns: list[Turn], format: Format, view: View, as_name: str | None
) -> None:
    chat = store.new_chat(Chat("", "t", scene().model_dump(mode="json"), as_name, NAMES, {}, 1))
    parent = None
    for turn in turns:
        parent = store.add(Node("", chat.id, parent, turn, Origin.USER)).id
    text = export(store, chat.id, format=format, view=view, as_name=as_name)
    for name in NAMES:
        own = name == as_name
        assert view.plans or f"⟪{name}/system_thinking⟫" not in text
        assert view.minds or own or f"⟪{name}/role_thinking⟫" not in text
        assert view.minds or own or f"{name} is cold" not in text, "the opening thought"
        assert view.minds or own or f"{name} wants out" not in text, "the motivation"
    assert view.minds or as_name == "Ann" or "secret of the opening" not in text
    for turn in turns:
        heard = as_name in (None, turn.speaker) or turn.heard_by is None or as_name in turn.heard_by
        for at, segment in enumerate(turn.segments):
            if not segment.kind.private and (heard or view.minds):
                assert f"⟪{turn.speaker}/{segment.kind.value}⟫ {at}" in text, "and nothing visible is missing"
    if (
        not view.minds
        and as_name is not None
        and all(
            turn.heard_by is not None and as_name != turn.speaker and as_name not in turn.heard_by for turn in turns
        )
    ):
        assert "⟪" not in text
