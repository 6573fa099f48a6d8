"""Messages in, text out: every way to reach a language model. Nothing here knows a character or a tag."""
