"""Check every service that the stack uses."""
