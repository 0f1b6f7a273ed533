"""The tasks, one module per family.

To add a task, write a function in one of these modules and its test: its endpoint, form and documentation follow.
"""
