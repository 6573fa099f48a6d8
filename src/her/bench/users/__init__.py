"""How well a model plays the person who talks to an assistant: six figures, four of them without a judge."""
