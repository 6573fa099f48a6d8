"""From passages of a novel to scenes: who is there, who says what, what they visibly do."""
