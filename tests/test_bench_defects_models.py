"""Defects of the release's way to its models, each by what goes wrong there; here the same road ends well."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from inspect_ai.model import get_model

from coser_cases import raw
from her.bench.figures import Sheet
from her.bench.inspect_model import InspectModel
from her.bench.run import make_task
from her.errors import InputError
from her.models import wire
from her.models.base import Message, Sampling
from servers import FaultServer, say, status

ASKED = [Message("system", "You are Mary Ann."), Message("user", "Mrs. O'Hara: Well?")]


@pytest.fixture(autouse=True)
def own_answers(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path_factory.mktemp("answers")))
    monkeypatch.setattr(wire, "FIRST_WAIT", 0.01)


async def test_b3_a_retry_that_is_defined_is_never_made() -> None:
    with FaultServer(status(500), status(503), say("At last.")) as server:
        model = InspectModel(get_model(f"her/{server.url}#m", memoize=False))
        assert (await model.generate(ASKED, Sampling())).text == "At last."
        await model.close()


async def test_b4_messages_are_sent_as_they_are_and_no_template_of_ours_is() -> None:
    with FaultServer(say("Well.")) as server:
        model = InspectModel(get_model(f"her/{server.url}#m", memoize=False))
        await model.generate(ASKED, Sampling())
        await model.close()
    sent = server.bodies[-1]["messages"]
    assert sent == [{"role": one.role, "content": one.content} for one in ASKED], "and nothing else, no name either"


async def test_b5_an_address_is_asked_as_it_was_given_and_with_its_key() -> None:
    with FaultServer(say("Well."), key="sesame") as server:
        assert server.url.endswith("/v1")
        model = InspectModel(get_model(f"her/{server.url}#m", api_key="sesame", memoize=False))
        assert (await model.generate(ASKED, Sampling())).text == "Well."
        await model.close()
    assert all("/v1/v1" not in path and "None" not in path for path in server.paths)


def test_b6_what_a_run_is_told_stands_in_its_sheet_or_is_refused(tmp_path: Path) -> None:

    path = tmp_path / "cases.json"
    path.write_text(json.dumps([raw()]), encoding="utf-8")
    plain, told = (
        Sheet.of(make_task("coser", {"path": str(path), **more}).metadata).settings
        for more in ({}, {"rounds": 7, "continue_from": 2, "seed": 5})
    )
    assert (told["rounds"], told["continue_from"], told["seed"]) == (7, 2, 5)
    assert (plain["rounds"], plain["continue_from"], plain["seed"]) == (20, 0, 0)
    assert {"temperature", "tokens", "judge_temperature", "judge_tokens"} <= set(plain)
    with pytest.raises(InputError, match="no parameter verbose"):
        make_task("coser", {"path": str(path), "verbose": True})
