"""Rows in, rows out: row schemas, and calls to models that are keyed, journalled and resumable."""
