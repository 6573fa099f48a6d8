"""A small world in which who believes what follows from who saw what: an oracle, and tales made for it."""
