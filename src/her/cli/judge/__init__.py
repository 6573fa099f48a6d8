"""`her judge`: principles, verdicts, pairs with known answers, tests of judges, and the rows that they learn from."""

from __future__ import annotations

from her.cli.judge import bench, compare, data, pairs, principles
from her.cli.judge.app import judge_app

__all__ = ["bench", "compare", "data", "judge_app", "pairs", "principles"]
