"""What goes on inside: role thinking and actions written into turns, and the plans that lead to them."""
