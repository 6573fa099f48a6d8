"""How much a text says what every model says."""
