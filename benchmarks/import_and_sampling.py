"""How fast books in CoSER's shape become training rows: HER beside a plain program that makes the same rows.

    python benchmarks/import_and_sampling.py --books 40 --repeats 5 --json import_and_sampling.json

Both read the same generated files and write the same rows into the same Parquet columns: turns to learn, prompts for
RL, contexts for a judge, whole test scenes. HER imports into `rows.jsonl` first, then makes samples of it. The plain
program is what one would write for one file format on one afternoon: `json.load`, two regular expressions for the
marks, dicts, string joins, `Table.from_pylist`. It checks nothing, keeps no ids of turns, reads no other spelling,
looks for no test set and no book in two editions, and is handed HER's split for nothing. `same` is the share of its
prompts that are HER's byte for byte but for the system message.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from her.markup import notation
from her.rows.files import Writer
from her.rows.samples import CONFIGS
from her.scene import bundled_scene
from her.script import Script
from her.synth.reading.coser import Importer
from her.synth.samples.dataset import arrow_schema
from her.synth.samples.samples import MADE_FOR, SampleOptions, SampleReport, make_samples

MARKS = notation()
THOUGHT, THOUGHT_END, ACTION, ACTION_END = (
    MARKS[name] for name in ("thought_open", "thought_close", "action_open", "action_close")
)
_SCENE = bundled_scene("netherfield-ball")
REQUIREMENTS, REQUIREMENTS_PLAIN = (
    Script(_SCENE, _SCENE.names[0], plan=plan).system().rpartition("===Requirements===\n")[2] for plan in (True, False)
)


def write_book(path: Path, seed: int) -> None:
    """A book of 38 conversations of 13 turns on average, as CoSER's are, in words that nobody has used before."""
    rng = random.Random(seed)
    vocabulary = ["".join(rng.choices("aeioubcdfghklmnprstvw", k=rng.randint(2, 9))) for _ in range(4000)]

    def text(words: int) -> str:
        return " ".join(rng.choices(vocabulary, k=words)).capitalize() + "."

    people = [" ".join(rng.choices(vocabulary, k=2)).title() for _ in range(20)]
    plots = []
    for number in range(38):
        who = rng.sample(people, rng.choice([2, 2, 2, 3, 3, 4]))
        talk = []
        for turn in range(rng.randint(9, 19)):
            speaker = "Environment" if turn % 7 == 6 else rng.choice(who)
            action = f"({text(6)}) " if rng.random() < 0.5 else ""
            message = text(20) if speaker == "Environment" else f"[{text(12)}] {action}{text(24)}"
            talk.append({"character": speaker, "message": message})
        conversation = {
            "scenario": text(70),
            "topic": text(7),
            "key_characters": [{"name": name, "motivation": text(45)} for name in who],
            "dialogues": talk,
            "i_p": number,
            "i_c": 0,
        }
        about = [{"name": name, "description": text(20), "experience": text(30)} for name in who]
        plots.append(
            {"text": "", "key_characters": about, "chapter": None, "conversation": [conversation], "i_p": number}
        )
    profiles = {name: {"profile": text(280)} for name in people}
    path.write_text(json.dumps({"plots": plots, "character_datasets": profiles}), encoding="utf-8")


# -- HER -------------------------------------------------------------------------------------------------------


def ours(books: list[Path], folder: Path) -> tuple[dict[str, float], SampleReport]:
    """Seconds of both steps, and the report."""
    begun = time.process_time()
    importer = Importer(language="en")
    with Writer(folder / "rows.jsonl") as out:
        for path in books:
            for row in importer.file(path):
                out.write(row)
    imported = time.process_time()
    report = make_samples(folder / "rows.jsonl", folder / "samples", SampleOptions())
    return {"import": imported - begun, "sampling": time.process_time() - imported}, report


# -- the plain program -----------------------------------------------------------------------------------------


class Out:
    """Rows of one config and split, a thousand at a time."""

    def __init__(self, path: Path, config: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.schema = arrow_schema(CONFIGS[config])
        self.writer = pq.ParquetWriter(path, self.schema, compression="snappy")
        self.held: list[dict[str, Any]] = []
        self.rows = 0

    def add(self, row: dict[str, Any]) -> None:
        """Takes in a row."""
        self.held.append(row)
        self.rows += 1
        if len(self.held) == 1000:
            self.flush()

    def flush(self) -> None:
        """Writes what is held."""
        if self.held:
            self.writer.write_table(pa.Table.from_pylist(self.held, self.schema))
            self.held = []


def tagged(message: str) -> str:
    """A message of CoSER's in tags."""
    message = re.sub(r"\[([^\]]*)\]", rf"{THOUGHT}\1{THOUGHT_END}", message)
    message = re.sub(r"\(([^)]*)\)", rf"{ACTION}\1{ACTION_END}", message)
    return re.sub(rf"({THOUGHT_END}|{ACTION_END})\s+", r"\1", message).strip()


def public(message: str) -> str:
    """A message without its thoughts."""
    return re.sub(rf"{THOUGHT}.*?{THOUGHT_END}", "", message, flags=re.S).strip()


def system(scene: dict[str, Any], name: str, requirements: str) -> dict[str, str]:
    """A system message of HER's sections."""
    others = (f"**{other}**: {about['profile']}" for other, about in scene["cast"].items() if other != name)
    sections = [
        f'You are {name} from "{scene["book"]}".',
        f"==={name}'s Profile===\n{scene['cast'][name]['profile']}",
        f"===Current Scenario===\n{scene['setting']}",
        "===Information about other Characters===\n" + "\n\n".join(others),
        f"===Your Inner Thoughts===\n{scene['cast'][name]['motivation']}",
        f"===Requirements===\n{requirements}",
    ]
    return {"role": "system", "content": "\n\n".join(sections)}


def scenes_of(path: Path) -> Iterator[dict[str, Any]]:
    """The conversations of a book file."""
    with path.open(encoding="utf-8") as file:
        book = json.load(file)
    title = path.stem.replace("_", " ")
    slug = title.lower().replace(" ", "-")
    for plot in book["plots"]:
        for talk in plot["conversation"]:
            wants = {person["name"]: person["motivation"] for person in talk["key_characters"]}
            turns = [(line["character"], tagged(line["message"])) for line in talk["dialogues"]]
            names = dict.fromkeys(name for name, _ in turns if name != "Environment")
            cast = {
                name: {"profile": book["character_datasets"][name]["profile"], "motivation": wants.get(name, "")}
                for name in names
            }
            id = f"{slug}/{talk['i_p']}/{talk['i_c']}"
            about = {"id": id, "book": title, "slug": slug, "title": talk["topic"], "setting": talk["scenario"]}
            yield {**about, "cast": cast, "turns": turns}


def plain(books: list[Path], folder: Path, purposes: dict[str, str]) -> tuple[float, dict[str, int]]:
    """Seconds, and how many rows each config has."""
    begun = time.process_time()
    outs: dict[tuple[str, str], Out] = {}

    def add(config: str, purpose: str, row: dict[str, Any]) -> None:
        split = "test" if purpose == "test" else "train"
        if (config, split) not in outs:
            outs[config, split] = Out(folder / config / f"{split}.parquet", config)
        outs[config, split].add(row)

    index = 0
    for path in books:
        for scene in scenes_of(path):
            purpose = purposes[scene["book"]]
            for row, config in rows_of(scene, MADE_FOR[purpose]):
                if config == "roleplay-rl":
                    row["extra_info"]["index"] = index
                    index += 1
                add(config, purpose, row)
    for out in outs.values():
        out.flush()
        out.writer.close()
    counts = {config: sum(out.rows for (name, _), out in outs.items() if name == config) for config in CONFIGS}
    return time.process_time() - begun, counts


def rows_of(scene: dict[str, Any], configs: tuple[str, ...]) -> Iterator[tuple[dict[str, Any], str]]:
    """Every row of a scene, with its config."""
    turns, same = scene["turns"], {"book": scene["book"], "author": "", "slug": scene["slug"], "language": "en"}
    for name in scene["cast"]:
        with_plan, without = system(scene, name, REQUIREMENTS), system(scene, name, REQUIREMENTS_PLAIN)
        history: list[dict[str, str]] = []
        heard, number = ["===Conversation Start==="], 0
        for at, (speaker, message) in enumerate(turns):
            if speaker != name:
                heard.append(f"{speaker}: {public(message)}")
                continue
            history.append({"role": "user", "content": "\n\n".join(heard or ["===Conversation Continues==="])})
            answer = {"role": "assistant", "content": f"{name}: {message}"}
            heard, number, turn = [], number + 1, f"t{at + 1:02}"
            about = {**same, "scene": scene["id"], "character": name, "turn": turn, "number": number}
            if "roleplay-sft-plain" in configs:
                more = {"id": f"{scene['id']}/{turn}/plain", "plan": False, "prompt": "plain"}
                yield {**about, **more, "messages": [without, *history, answer]}, "roleplay-sft-plain"
            if "reward-pool" in configs or "roleplay-rl" in configs:
                seen = {
                    "scene": {key: scene[key] for key in ("id", "title", "book", "setting", "cast")},
                    "turns": [{"speaker": who, "text": text} for who, text in turns[:at]],
                    "reference": {"speaker": name, "text": message},
                }
                context = json.dumps(seen, ensure_ascii=False)
                pool = {**about, "id": f"{scene['id']}/{turn}", "reference": answer["content"], "context": context}
                if "reward-pool" in configs:
                    yield pool, "reward-pool"
                if "roleplay-rl" in configs:
                    yield rl_row([with_plan, *history], answer["content"], pool), "roleplay-rl"
            history.append(answer)
    if "test" in configs:
        whole = {"id": scene["id"], "title": scene["title"], "setting": scene["setting"], "turns": len(turns)}
        row = json.dumps(scene, ensure_ascii=False)
        yield {**same, **whole, "characters": list(scene["cast"]), "row": row}, "test"


def rl_row(prompt: list[dict[str, str]], reference: str, pool: dict[str, Any]) -> dict[str, Any]:
    """A row in verl's columns."""
    return {
        "data_source": "her/roleplay",
        "prompt": prompt,
        "ability": "roleplay",
        "reward_model": {"style": "rule", "ground_truth": reference},
        "extra_info": {"index": 0, "split": "", "info": json.dumps(pool, ensure_ascii=False)},
    }


# -- beside each other -----------------------------------------------------------------------------------------


def prompts_in(folder: Path) -> dict[str, Any]:
    """Messages without the system message, by row."""
    found = {}
    for path in sorted((folder / "roleplay-sft-plain").glob("*.parquet")):
        for row in pq.read_table(path, columns=["id", "messages"]).to_pylist():
            found[row["id"]] = row["messages"][1:]
    return found


def measure(books: list[Path], folder: Path, repeats: int) -> dict[str, Any]:
    """Both arms in turn, so that a busy machine is busy for both."""
    times: dict[str, list[float]] = {"import": [], "sampling": [], "plain": []}
    for _ in range(repeats):
        seconds, report = ours(books, folder)
        purposes = {use.title: use.purpose or "" for use in report.books}
        took, counts = plain(books, folder / "plain", purposes)
        for name, value in {**seconds, "plain": took}.items():
            times[name].append(value)
    rows = {config: sum(splits.values()) for config, splits in report.rows.items()}
    assert rows == counts, f"HER made {rows}, the plain program {counts}"
    mine, theirs = prompts_in(folder / "samples"), prompts_in(folder / "plain")
    assert mine.keys() == theirs.keys()
    return {
        "scenes": report.scenes_in,
        "rows": rows,
        "seconds": times,
        "same": sum(mine[id] == theirs[id] for id in mine) / len(mine),
        "bytes": {name: size_of(folder / name) for name in ("samples", "plain")},
    }


def size_of(folder: Path) -> int:
    """Bytes of all Parquet files below."""
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def show(found: dict[str, Any]) -> None:
    """The table; times are medians of CPU seconds."""
    total, seconds = sum(found["rows"].values()), found["seconds"]
    middle: Callable[[str], float] = lambda name: statistics.median(seconds[name])  # noqa: E731
    her = statistics.median(map(sum, zip(seconds["import"], seconds["sampling"], strict=True)))
    print(f"{found['scenes']:,} scenes, {total:,} rows; same prompts {found['same']:.1%}")
    for name, value in (
        ("import", middle("import")),
        ("sampling", middle("sampling")),
        ("her", her),
        ("plain", middle("plain")),
    ):
        print(f"{name:<9} {value:6.2f} s CPU {total / value:9,.0f} rows/s {found['scenes'] / value:7,.0f} scenes/s")
    sizes = found["bytes"]
    print(f"plain/her {middle('plain') / her:.2f} in time, {sizes['plain'] / sizes['samples']:.2f} in bytes on disk")


def main() -> None:
    """Generates books, runs both arms, prints what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--books", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, default=None, help="write everything measured to this file")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        books = [folder / f"Book_{n:03}.json" for n in range(flags.books)]
        for n, path in enumerate(books):
            write_book(path, n)
        found = measure(books, folder, flags.repeats)
    show(found)
    if flags.json:
        machine = {"platform": platform.platform(), "cpus": os.cpu_count(), "python": platform.python_version()}
        flags.json.write_text(json.dumps({"machine": machine, **found}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
