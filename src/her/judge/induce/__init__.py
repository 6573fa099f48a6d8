"""Inducing principles: preference pairs are read by a teacher, what it names is gathered, reviewed, worded and tested.

Knows pairs and a teacher that is asked and never trusted. Refuses to know where pairs come from.
"""
