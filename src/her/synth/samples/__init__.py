"""From scenes to the rows that models learn from, practise on and are judged by."""
