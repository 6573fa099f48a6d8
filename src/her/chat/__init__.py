"""One session, several faces: who plays whom, the tree of turns, and where it is kept."""
