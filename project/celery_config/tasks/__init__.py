"""The tasks, one module per family.

To add a task, write a function in one of these modules or in a new one, and its test: its endpoint, form and
documentation follow.
"""
