"""Training: dialogues become token ids and trees, models learn from them, and what was learnt is taken out again."""
