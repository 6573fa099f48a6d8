"""Benchmarks: how well a model plays and reads minds, in numbers that lead back to every prompt behind them."""
