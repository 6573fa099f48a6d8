"""The report of runs: logs become records, records become figures with intervals, and those a page."""
