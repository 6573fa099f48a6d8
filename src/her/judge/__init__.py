"""Judges: principles, comparisons, pairs whose answer is known, acceptance, rewards.

Knows two candidates for one turn and what is said of them. Refuses to know chat, novels, and trainers.
"""
