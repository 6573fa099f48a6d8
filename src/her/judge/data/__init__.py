"""Data for reward models: candidates, pairs, labels, balance, and the rows that a judge is trained on.

Knows how a preference comes to be and where each one is left. Refuses to know trainers and scripts: the prompt that
asks for a turn is handed in.
"""
