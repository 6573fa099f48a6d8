"""Whether a tuned adapter says the same through transformers and through llama.cpp, and if not, why.

    python benchmarks/greedy_both_ways.py runs/mini --prompts 10 --tokens 80

Greedy replies to held-out turns of datasets/her-scenes from three: transformers with the adapter merged at float32;
llama.cpp with the base as it is shipped and the adapter beside it; llama.cpp with the base's weights written out as
float32 and the same adapter. All three hold the same numbers as weights, so what the second does otherwise comes of
how llama.cpp reckons with four-bit weights (it rounds what they are multiplied with to eight bits), if the third does
as the first. At the first difference the script says how far apart the two tokens were in transformers, in nats.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import torch
import transformers
from gguf.quants import dequantize

from her.models.address import open_model
from her.models.base import Sampling
from her.train.base import gguf_of
from her.train.export import merge
from her.train.measure.places import Place, held_out
from her.train.run_folder import GGUF, TrainFolder

DATA = Path(__file__).resolve().parents[1] / "datasets" / "her-scenes"


@dataclass(frozen=True)
class Compared:
    """Two replies to one prompt: characters that they share, and nats between the two tokens that come next."""

    shared: int
    length: int
    nats: float | None


def main() -> None:
    """Asks all three and prints a table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run", type=Path)
    options.add_argument("--prompts", type=int, default=10)
    options.add_argument("--tokens", type=int, default=80)
    given = options.parse_args()
    places = held_out(DATA, "test", plans=True, languages=("en",), limit=given.prompts).places
    base = gguf_of(TrainFolder(given.run).facts()["model"])
    if base is None:
        raise SystemExit(f"{given.run} was not tuned from a GGUF file; there is nothing to compare")
    with tempfile.TemporaryDirectory() as made:
        folder = merge(given.run, Path(made, "merged"))
        plain, adapter = written_out(base, given.run / GGUF, Path(made))
        sampling = Sampling(temperature=0, max_tokens=given.tokens, repeat_penalty=1.0)
        addresses = (f"hf:{folder}", f"{base}+{given.run / GGUF}", f"{plain}+{adapter}")
        said = [asyncio.run(replies(address, places, sampling)) for address in addresses]
        tell(Path(folder), places, said)


async def replies(address: str, places: Sequence[Place], sampling: Sampling) -> list[str]:
    """The greedy reply at every place, what it begins with left out."""
    model = open_model(address)
    try:
        await model.probe()
        return [(await model.generate(place.context, sampling, prefill=place.beginning)).text for place in places]
    finally:
        await model.close()


def written_out(base: Path, adapter: Path, folder: Path) -> tuple[Path, Path]:
    """The base with every weight as float32, and the adapter made out to it."""
    reader = gguf.GGUFReader(base)
    target = folder / "float32.gguf"
    writer = gguf.GGUFWriter(target, arch=reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name not in ("general.architecture", "general.file_type"):
            writer.add_key_value(field.name, field.contents(), field.types[0], field.types[-1])
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, dequantize(tensor.data, tensor.tensor_type))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    shas = [hashlib.sha256(path.read_bytes()).hexdigest().encode() for path in (base, target)]
    copy = folder / "adapter.gguf"
    copy.write_bytes(adapter.read_bytes().replace(*shas))
    return target, copy


def tell(folder: Path, places: Sequence[Place], said: Sequence[Sequence[str]]) -> None:
    """A row a prompt: how far llama.cpp goes with transformers, on four-bit weights and on float32."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    print("| prompt | four bits: same text | nats at the first difference | float32: same text | nats |")
    print("|---|---|---|---|---|")
    found = [
        [compared(model, tokenizer, place, left, right) for left, right in ((one, two), (one, three))]
        for place, one, two, three in zip(places, *said, strict=True)
    ]
    for place, pair in zip(places, found, strict=True):
        print(f"| {place.turn} | {' | '.join(cells(one) for one in pair)} |")
    for name, column in zip(("four bits", "float32"), zip(*found, strict=True), strict=True):
        print(f"\n{name}: {sum(one.nats is None for one in column)} of {len(column)} the same to the end")


def cells(one: Compared) -> str:
    """`all` or how many of how many characters, and nats."""
    return f"all {one.length} |" if one.nats is None else f"{one.shared} of {one.length} | {one.nats:.3f}"


def compared(model: Any, tokenizer: Any, place: Place, left: str, right: str) -> Compared:
    """How far two replies go together, and how much likelier the left one's next token is under the model."""
    if left == right:
        return Compared(len(left), len(left), None)
    one, two = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (left, right))
    end = [tokenizer.eos_token_id]
    shared = next(at for at, (a, b) in enumerate(zip(one + end, two + end, strict=False)) if a != b)
    messages = [{"role": message.role, "content": message.content} for message in place.context]
    prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) + place.beginning
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"] + one[:shared]
    with torch.no_grad():
        scores = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
    nats = float(scores[(one + end)[shared]] - scores[(two + end)[shared]])
    return Compared(len(tokenizer.decode(one[:shared])), len(left), nats)


if __name__ == "__main__":
    main()
