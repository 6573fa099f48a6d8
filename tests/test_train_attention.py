"""Trees against rows one by one: the same log-probabilities and gradients, whatever else stands in the row."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("llguidance", reason="needs the train extra")

import torch
import transformers

import tiny_models as tiny
from her.errors import InputError
from her.train.attention import REGISTERED, attend, block_mask, collate, deviation, log_probs, sight
from her.train.attention import tree_attention as ours
from her.train.tokens import Encoder, Row, Window
from her.train.trees import Tree, packed

pytestmark = pytest.mark.torch

BAR = {torch.float64: 1e-9, torch.float32: 1e-4}
"""In nats, and of a gradient's length."""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny products gain nothing from a second thread, which other work may hold up."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=tiny.KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def dialogues(kind: str) -> list[Row]:
    """All rows of whole dialogues: of two characters, in two languages, with plans and without."""
    encode = Encoder(tiny.tokenizer(kind), kind, window=Window(100_000, 512))
    english, chinese = tiny.talk(9), tiny.talk(6, language="zh", id="light/1/2")
    samples = [*tiny.samples(english), *tiny.samples(english, plan=False), *tiny.samples(chinese)]
    return list(encode.rows(samples))


@pytest.fixture(scope="module")
def trees(dialogues: list[Row]) -> list[Tree]:
    return list(packed(dialogues))


def exact(model: Any) -> Any:
    """The same model with norms that keep double precision; transformers' own go through single."""
    for name, module in list(model.named_modules()):
        if type(module).__name__.endswith("RMSNorm"):
            norm = torch.nn.RMSNorm(module.weight.shape, module.variance_epsilon, dtype=torch.float64)
            norm.weight = module.weight
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, norm)
    return model


@pytest.fixture(scope="module")
def models(kind: str) -> Callable[[torch.dtype], tuple[Any, Any]]:
    """A model that attends to trees and its plain twin, in a precision."""

    def pair(dtype: torch.dtype) -> tuple[Any, Any]:
        plain = tiny.model(kind, dtype=dtype)
        plain = exact(plain) if dtype is torch.float64 else plain
        one = copy.deepcopy(plain)
        attend(one, "tree", kind)
        # In double precision no eager attention: its softmax is computed in single.
        plain.set_attn_implementation("sdpa" if dtype is torch.float64 else "eager")
        return one, plain

    return pair


def one_by_one(model: Any, row: Row) -> torch.Tensor:
    """The log-probabilities of what a row teaches, by transformers alone."""
    ids = torch.tensor([row.ids])
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, row.start - 1 : -1]
    return logits.log_softmax(-1).gather(1, ids[0, row.start :, None])[:, 0]


def plain_loss(model: Any, row: Row) -> torch.Tensor:
    """The summed loss of a row, by transformers' own labels, which it shifts itself."""
    if model.dtype is torch.float64:  # of which transformers' loss makes single precision
        return -one_by_one(model, row).sum()
    labels = torch.tensor([[*[-100] * row.start, *row.ids[row.start :]]])
    loss: torch.Tensor = model(input_ids=torch.tensor([row.ids]), labels=labels).loss
    return loss * row.supervised


def gradient(model: Any) -> torch.Tensor:
    """All gradients as one vector; they are taken from the model."""
    whole = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    model.zero_grad()
    return whole


# -- the same numbers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", BAR, ids=str)
def test_a_tree_gives_each_token_the_probability_that_its_row_gives(
    models: Callable[..., tuple[Any, Any]], trees: list[Tree], dtype: torch.dtype
) -> None:
    model, plain = models(dtype)
    with torch.no_grad():
        for tree in trees:
            told, rows = log_probs(model, [tree]), torch.cat([one_by_one(plain, row) for row in tree.rows])
            assert told.shape == rows.shape == (len(tree.targets),)
            assert (told - rows).abs().max() < BAR[dtype]
            assert rows.std() > 0.5, "tokens that are all alike would show nothing"


@pytest.mark.parametrize("dtype", BAR, ids=str)
def test_whole_dialogues_give_the_gradient_that_their_rows_give(
    models: Callable[..., tuple[Any, Any]], dialogues: list[Row], trees: list[Tree], dtype: torch.dtype
) -> None:
    model, plain = models(dtype)
    (-log_probs(model, trees).sum()).backward()
    for row in dialogues:
        plain_loss(plain, row).backward()
    found, wanted = gradient(model), gradient(plain)
    assert wanted.norm() > 1
    assert (found - wanted).norm() / wanted.norm() < BAR[dtype]


def test_several_trees_in_a_row_give_what_each_gives_alone(
    models: Callable[..., tuple[Any, Any]], trees: list[Tree]
) -> None:
    model, _ = models(torch.float64)
    with torch.no_grad():
        together = log_probs(model, trees)
        alone = torch.cat([log_probs(model, [tree]) for tree in trees])
    assert (together - alone).abs().max() < 1e-9


def test_without_trees_it_is_causal_attention(models: Callable[..., tuple[Any, Any]], dialogues: list[Row]) -> None:
    model, plain = models(torch.float64)
    with torch.no_grad():
        for row in dialogues[:3]:
            assert (one_by_one(model, row) - one_by_one(plain, row)).abs().max() < 1e-9


def test_the_models_own_measure_says_so_too(kind: str, trees: list[Tree]) -> None:
    model = tiny.model(kind)
    attend(model, "tree", kind)
    assert deviation(model, trees[:2]) < 1e-4
    assert model.config._attn_implementation == REGISTERED, "it is left as it was"


# -- who sees what -----------------------------------------------------------------------------------------------


def visible(trees: list[Tree]) -> torch.Tensor:
    """Which token may see which, from the paths alone."""
    size, at = sum(map(len, trees)), 0
    seen = torch.zeros(size, size, dtype=torch.bool)
    for tree in trees:
        trunk = list(range(len(tree.trunk)))
        for path in [trunk, *tiny.paths(tree)]:
            for place, token in enumerate(path):
                seen[at + token, [at + before for before in path[: place + 1]]] = True
        at += len(tree)
    return seen


@pytest.fixture(scope="module")
def short() -> list[Tree]:
    """Trees of few tokens: three branches, one; and one that begins at the end of its trunk."""
    rows = [Row("a", "g", (5, 6, 7, 8), 2), Row("b", "g", (5, 6, 9, 9, 3), 3), Row("c", "g", (5, 6, 9, 4, 4, 4, 1), 4)]
    return [Tree(tuple(rows)), Tree((Row("d", "h", (5, 6, 9, 4), 1),)), Tree((rows[0],))]


def test_a_mask_shows_what_stands_on_a_path_and_nothing_else(short: list[Tree], trees: list[Tree]) -> None:
    for some in (short, trees[:2]):
        mask = block_mask(some, device="cpu")
        size = sum(map(len, some))
        rows, columns = torch.arange(size)[:, None], torch.arange(size)[None]
        assert torch.equal(mask.mask_mod(0, 0, rows, columns), visible(some))
        assert mask.shape[-2:] == (size, size)
        for tree in some:
            trunk, own = sight(tree)
            assert (trunk, own.shape) == (len(tree.trunk), (1, 1, len(tree) - trunk, len(tree)))
            assert torch.equal(own[0, 0], visible([tree])[trunk:])


@pytest.mark.parametrize("scaling", [None, 0.3])
def test_attention_is_softmax_over_what_is_visible(short: list[Tree], scaling: float | None) -> None:
    torch.manual_seed(0)
    size = sum(map(len, short))
    query, key, value = (torch.randn(1, heads, size, 8, dtype=torch.float64) for heads in (4, 2, 2))
    options = {"scaling": scaling} if scaling else {}
    told, weights = ours(None, query, key, value, None, sights=tuple(map(sight, short)), **options)
    key, value = (each.repeat_interleave(2, dim=1) for each in (key, value))
    scores = query @ key.transpose(2, 3) * (scaling or 8**-0.5)
    dense = scores.masked_fill(~visible(short), float("-inf")).softmax(-1) @ value
    assert weights is None
    assert (told - dense.transpose(1, 2)).abs().max() < 1e-12


def changed(row: Row, at: int) -> Row:
    """The row with another token at a place."""
    return replace(row, ids=(*row.ids[:at], (row.ids[at] + 7) % 600 + 3, *row.ids[at + 1 :]))


def test_what_one_branch_says_no_other_branch_hears(models: Callable[..., tuple[Any, Any]], trees: list[Tree]) -> None:
    model, _ = models(torch.float32)
    tree, other = trees[0], trees[1]
    with torch.no_grad():
        before = log_probs(model, [tree, other]).split([*(row.supervised for row in tree.rows), len(other.targets)])
        for n, row in enumerate(tree.rows):
            rows = (*tree.rows[:n], changed(row, row.start), *tree.rows[n + 1 :])
            after = log_probs(model, [Tree(rows), other]).split([len(each) for each in before])
            same = [torch.equal(one, two) for one, two in zip(before, after, strict=True)]
            assert same == [at != n for at in range(len(before))], "to the last bit"


def test_a_branch_hears_the_trunk_before_it_and_not_after_it(
    models: Callable[..., tuple[Any, Any]], trees: list[Tree]
) -> None:
    model, _ = models(torch.float32)
    tree, other = trees[0], trees[1]
    starts = [row.start for row in tree.rows]
    with torch.no_grad():
        before = log_probs(model, [tree, other]).split([*(row.supervised for row in tree.rows), len(other.targets)])
        for place in (3, starts[0] - 1, starts[0] + 2, starts[1] + 2):
            rows = tuple(changed(row, place) if row.start > place else row for row in tree.rows)
            after = log_probs(model, [Tree(rows), other]).split([len(each) for each in before])
            heard = [not torch.equal(one, two) for one, two in zip(before, after, strict=True)]
            assert heard == [*(start > place for start in starts), False]


def test_a_batch_says_how_much_is_learnt(trees: list[Tree]) -> None:
    batch = collate(trees)
    learnt = sum(len(tree.targets) for tree in trees)
    assert batch["input_ids"].shape == batch["position_ids"].shape == (1, sum(map(len, trees)))
    assert batch["labels"].shape == (1, learnt)
    assert batch["logits_to_keep"].shape == (learnt,)
    assert len(set(batch["logits_to_keep"].tolist())) == learnt, "no token predicts two"


# -- torch's block masks -----------------------------------------------------------------------------------------


def test_flex_attention_gives_the_same_as_ours(kind: str, trees: list[Tree]) -> None:
    model, twin = tiny.model(kind), tiny.model(kind)
    attend(model, "tree", "ours")
    attend(twin, "flex_attention", "torch's")
    some = trees[:2]
    with torch.no_grad():
        try:
            found = log_probs(twin, some, "flex_attention")
        except RuntimeError as error:
            pytest.skip(f"torch cannot run flex_attention here: {str(error)[:100]}")
        assert (found - log_probs(model, some)).abs().max() < 1e-4
        assert deviation(twin, some, "flex_attention") < 1e-4


# -- models on which trees are not what they stand for -------------------------------------------------------------

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": tiny.WORDS,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
FULL = ["full_attention"] * 2
WINDOWED = {"sliding_window": 32}


def of(kind: str, **settings: Any) -> Any:
    config = getattr(transformers, f"{kind}Config")(**SIZES, **settings)
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


@pytest.mark.parametrize(
    ("odd", "settings", "says"),
    [
        ("Qwen2", {"use_sliding_window": True, "max_window_layers": 0, **WINDOWED}, "sliding_attention"),
        ("Mistral", WINDOWED, "sliding_window"),
        ("Phi3", WINDOWED, "sliding_window"),
        ("Gemma2", {"head_dim": 16}, "sliding_attention"),
        ("Llama", {"attention_dropout": 0.1}, "dropout in its attention"),
    ],
)
def test_layers_that_see_by_place_or_chance_are_refused(odd: str, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=f"odd: has {says}: .*take a model"):
        attend(of(odd, **settings), "tree", "odd")


def test_layers_without_attention_are_refused() -> None:
    config = transformers.MambaConfig(hidden_size=64, num_hidden_layers=2, vocab_size=tiny.WORDS)
    with pytest.raises(InputError, match="linear_attention"):
        attend(transformers.AutoModelForCausalLM.from_config(config), "tree", "odd")


def test_a_model_whose_attention_cannot_be_chosen_is_refused() -> None:
    """Bloom's positions are a bias inside its own attention; transformers would warn and let it pass."""
    config = transformers.BloomConfig(hidden_size=64, n_layer=2, n_head=4, vocab_size=tiny.WORDS)
    with pytest.raises(InputError, match="does not let its attention be chosen"):
        attend(transformers.AutoModelForCausalLM.from_config(config), "tree", "odd")


def test_a_window_that_is_switched_off_is_no_window() -> None:
    for model in (of("Mistral", sliding_window=None), of("Qwen2", **WINDOWED)):
        attend(model, "tree", "fine")


def test_a_model_that_ignores_positions_or_mask_is_found_out(trees: list[Tree]) -> None:
    good = tiny.model()
    attend(good, "tree", "good")
    assert deviation(good, trees[:1]) < 1e-4
    for dropped in ("position_ids", "sights"):
        model = tiny.model()
        attend(model, "tree", "odd")
        forward = model.forward
        model.forward = lambda *, forward=forward, dropped=dropped, **inputs: forward(
            **{name: value for name, value in inputs.items() if name != dropped}
        )
        assert deviation(model, trees[:1]) > 0.1


@pytest.mark.parametrize(
    ("odd", "settings"),
    [
        ("Gemma2", {"head_dim": 16, "layer_types": FULL, "attn_logit_softcapping": 0.1}),
        ("GptOss", {"head_dim": 16, "layer_types": FULL, "num_local_experts": 4}),
    ],
)
def test_attention_with_more_to_it_than_ours_is_found_out(
    trees: list[Tree], odd: str, settings: dict[str, Any]
) -> None:
    """Caps on the scores and sinks beside them: a single row would not differ from a tree, both being wrong."""
    model = of(odd, **settings)
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, mean=9.0 * name.endswith("sinks"), std=0.2)
    attend(model, "tree", "odd")
    assert deviation(model, trees[:1]) > 0.05


# -- a real model ------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.model
@pytest.mark.parametrize("dtype", BAR, ids=str)
def test_on_the_bundled_model_a_whole_dialogue_is_what_its_rows_are(hf_folder: Path, dtype: torch.dtype) -> None:
    """Of a scene of her-scenes all parts; in double precision, which is slow, the shortest."""
    torch.set_num_threads(2)
    scenes = tiny.her_scenes()
    tokenizer = transformers.AutoTokenizer.from_pretrained(hf_folder)
    encode = Encoder(tokenizer, "mini", window=Window(8192, 512))
    trees = sorted(packed(encode.rows(tiny.samples(scenes.read_scene(min(scenes.SCENES.glob("*.toml")))))), key=len)
    trees = trees[:1] if dtype is torch.float64 else trees
    model = transformers.AutoModelForCausalLM.from_pretrained(hf_folder, dtype=dtype).eval()
    model = exact(model) if dtype is torch.float64 else model
    attend(model, "tree", "mini")
    told = []
    for tree in trees:
        told.append(log_probs(model, [tree]))
        (-told[-1].sum()).backward()
    ours = gradient(model)
    model.set_attn_implementation("sdpa")
    apart = 0.0
    for tree, found in zip(trees, told, strict=True):
        for row, one in zip(tree.rows, found.detach().split([row.supervised for row in tree.rows]), strict=True):
            alone = one_by_one(model, row)
            (-alone.sum()).backward()
            apart = max(apart, float((one - alone.detach()).abs().max()))
    ours -= (wanted := gradient(model))
    print(f"{dtype}: {apart:.2g} nats, {float(ours.norm() / wanted.norm()):.2g} of the gradient")
    assert apart < BAR[dtype]
    assert ours.norm() / wanted.norm() < BAR[dtype]
