"""What a model does on held-out scenes: its replies counted, gold turns and replies weighed, with intervals."""
