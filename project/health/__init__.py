"""Checks of everything that the stack talks to."""
