"""The test that any judge must pass: what it is asked, what is measured, and whether it is accepted.

Knows pairs with a known answer and what a judge said of them. Refuses to know how a judge works.
"""
