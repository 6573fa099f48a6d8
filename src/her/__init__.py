"""HER: characters with an inner life, on any language model."""

__version__ = "0.1.0"
