"""Define the tasks, one module per family.

To add a task, write a function in one of these modules or a new one, and its test. Endpoint, form and documentation
follow.
"""
