"""Batches of trees as a model reads them, and the attention that keeps branches apart.

Knows torch and the attention back ends of transformers. Two serve: `tree`, ours, which computes only what is seen, on
any device; and `flex_attention`, torch's block masks, fast on a GPU. Refuses every other, since they would not follow
a mask of their own, and does not believe any: `deviation` measures it on the model itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any, Literal

from her.errors import InputError, MissingExtra
from her.train.tokens import Row
from her.train.trees import TRUNK, Tree

try:
    import torch
    import transformers
    from accelerate.utils import send_to_device
    from torch.nn.attention.flex_attention import BlockMask, create_block_mask
    from torch.nn.functional import cross_entropy, scaled_dot_product_attention
except ImportError as missing:
    raise MissingExtra("training", "train") from missing

Attention = Literal["tree", "flex_attention"]
REGISTERED = "her_tree"
"""Our attention's name among those of transformers."""
FULL = "full_attention"


Sight = tuple[int, torch.Tensor]
"""How many tokens a tree's trunk has, and which of all its tokens each of those after the trunk sees, of shape
(1, 1, tokens after the trunk, tokens)."""


def sight(tree: Tree) -> Sight:
    """What a tree's tokens see; the trunk's are plain causal."""
    trunk = len(tree.trunk)
    branch = torch.tensor(tree.branches)
    rows, columns = torch.arange(trunk, len(tree))[:, None], torch.arange(len(tree))[None, :]
    in_trunk = (columns < trunk) & (columns < torch.tensor(tree.seen)[trunk:, None])
    own = (branch[None, :] == branch[trunk:, None]) & (columns <= rows)
    return trunk, (in_trunk | own)[None, None]


def collate(trees: Sequence[Tree], attention: Attention = "tree") -> dict[str, Any]:
    """The inputs for a model, of shape (1, tokens): all trees in one row, none of which sees another.

    `logits_to_keep` are the places that predict something learnt, of shape (learnt,), and `labels` what they predict,
    of shape (1, learnt).
    """
    starts = [0, *accumulate(map(len, trees))][:-1]
    labels = torch.tensor([[id for tree in trees for id in tree.targets]])
    batch: dict[str, Any] = {
        "input_ids": torch.tensor([[id for tree in trees for id in tree.ids]]),
        "position_ids": torch.tensor([[at for tree in trees for at in tree.positions]]),
        "logits_to_keep": torch.tensor(
            [parent + start for tree, start in zip(trees, starts, strict=True) for parent in tree.parents]
        ),
        "labels": labels,
        "shift_labels": labels,  # under this name transformers counts all of them, not all but the first
    }
    if attention == "tree":
        return {**batch, "sights": tuple(map(sight, trees))}
    return {**batch, "attention_mask": block_mask(trees)}


def block_mask(trees: Sequence[Tree], device: str | None = None) -> BlockMask:
    """The same as a block mask; `device` None takes a GPU where there is one."""
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    number, branch, seen = (torch.tensor(each, device=device) for each in zip(*_places(trees), strict=True))

    def sees(_batch: Any, _head: Any, row: Any, column: Any) -> Any:
        trunk = (branch[column] == TRUNK) & (column < seen[row])
        own = (branch[column] == branch[row]) & (column <= row)
        return (number[row] == number[column]) & (trunk | own)

    return create_block_mask(sees, None, None, len(number), len(number), device=device)


def _places(trees: Sequence[Tree]) -> Iterator[tuple[int, int, int]]:
    """For each token the number of its tree, its branch in it, and where in the row the trunk that it sees ends."""
    start = 0
    for n, tree in enumerate(trees):
        for branch, seen in zip(tree.branches, tree.seen, strict=True):
            yield n, branch, start + seen
        start += len(tree)


def tree_attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any, **options: Any
) -> tuple[torch.Tensor, None]:
    """Attention as transformers calls it, of shape (1, tokens, heads, size): each tree by itself, its trunk first.

    `options` has the trees' `sights`, handed to the model with its inputs; without them all is one trunk.
    """
    groups = query.shape[1] // key.shape[1]
    key, value = (each.repeat_interleave(groups, dim=1) for each in (key, value))
    scale = options.get("scaling")
    sights: Sequence[Sight] = options.get("sights") or ((query.shape[2], query.new_empty(1, 1, 0, query.shape[2])),)
    sizes = [mask.shape[3] for _, mask in sights]
    parts = []
    # `split` and not slices: the gradient of a slice is a whole tensor of zeros, written anew for each.
    for (trunk, mask), *tree in zip(sights, *(each.split(sizes, dim=2) for each in (query, key, value)), strict=True):
        rows, keys, values = tree
        (roots, leaves), (own_keys, _), (own_values, _) = (
            each.split([trunk, mask.shape[2]], dim=2) for each in (rows, keys, values)
        )
        parts.append(scaled_dot_product_attention(roots, own_keys, own_values, is_causal=True, scale=scale))
        if mask.shape[2]:
            parts.append(scaled_dot_product_attention(leaves, keys, values, attn_mask=mask, scale=scale))
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


transformers.AttentionInterface.register(REGISTERED, tree_attention)


def attend(model: Any, attention: Attention, address: str) -> None:
    """Sets a model's attention. Raises InputError for a model on which trees would not be what they stand for."""
    config = model.config.get_text_config()
    # Models with layers of one kind, such as Mistral's, tell of a window by its width alone.
    plain = "sliding_window" if getattr(config, "sliding_window", None) else FULL
    kinds = set(getattr(config, "layer_types", None) or [plain])
    if kinds != {FULL} or getattr(config, "attention_dropout", None):
        odd = ", ".join(sorted(kinds - {FULL})) or "dropout in its attention"
        raise InputError(
            f"{address}: has {odd}: what such a layer sees depends on the place in a row, and not on positions and "
            "mask alone; take a model whose layers all see everything before them"
        )
    try:
        model.set_attn_implementation(_known_as(attention))
    except ValueError as error:
        raise InputError(f"{address}: does not let its attention be chosen ({error}); take another model") from error
    if model.config._attn_implementation != _known_as(attention):  # refused with no more than a warning
        raise InputError(f"{address}: does not let its attention be chosen; take another model")


def _known_as(attention: Attention) -> str:
    """The name of an attention in transformers."""
    return REGISTERED if attention == "tree" else attention


def log_probs(model: Any, trees: Sequence[Tree], attention: Attention = "tree") -> torch.Tensor:
    """The log-probability of each learnt token, of shape (learnt,), in the order of the trees' targets."""
    batch = collate(trees, attention)
    inputs = send_to_device(batch, model.device)
    labels = inputs.pop("labels")[0]
    del inputs["shift_labels"]
    logits = model(**inputs, use_cache=False).logits[0]
    return -cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), labels, reduction="none")


def deviation(model: Any, trees: Sequence[Tree], attention: Attention = "tree") -> float:
    """The largest difference, in nats, between the log-probabilities of trees in one row and those of their rows one
    by one, as the model computes them by itself: without our attention, positions and labels.

    It is computed in float32 whatever the weights are kept in: in bfloat16, rounding alone comes to as much as a fault.
    """
    with torch.no_grad(), _in_float32(model):
        ours = log_probs(model, trees, attention)
        model.set_attn_implementation("eager")  # what every model has, with whatever is peculiar to it
        theirs = torch.cat([_one_by_one(model, row) for tree in trees for row in tree.rows])
    model.set_attn_implementation(_known_as(attention))
    return float((ours - theirs).abs().max())


@contextmanager
def _in_float32(model: Any) -> Iterator[None]:
    """Within it a model computes in float32. Each module's own weights are widened while it works and no longer, so
    that this takes little more memory; narrowed again they are what they were, bit by bit."""

    def widen(module: Any, _: Any) -> None:
        for weight in module.parameters(recurse=False):
            weight.data = weight.data.to(torch.promote_types(weight.dtype, torch.float32))

    def narrow(module: Any, *_: Any) -> None:
        for weight in module.parameters(recurse=False):
            weight.data = weight.data.to(kept[weight])

    kept = {weight: weight.dtype for weight in model.parameters()}
    hooks = [module.register_forward_pre_hook(widen) for module in model.modules()]
    hooks += [module.register_forward_hook(narrow, always_call=True) for module in model.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _one_by_one(model: Any, row: Row) -> torch.Tensor:
    ids = torch.tensor([row.ids], device=model.device)
    logits = model(input_ids=ids, use_cache=False).logits[0, row.start - 1 : -1]
    return -cross_entropy(
        logits.to(torch.promote_types(logits.dtype, torch.float32)), ids[0, row.start :], reduction="none"
    )
