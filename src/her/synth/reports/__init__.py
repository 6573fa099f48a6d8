"""Pages and figures about a run."""
