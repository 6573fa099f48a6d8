"""Questions with one right answer: who knows what, who would say what, who would choose what."""
