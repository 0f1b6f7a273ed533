"""A client of the HTTP API: `Client` for Python, `python -m project.client` for the shell."""

from project.client.api import Client, ProblemError

__all__ = ["Client", "ProblemError"]
