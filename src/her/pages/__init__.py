"""HTML pages and plots: a template and its fields become one file that needs nothing else to be read."""
