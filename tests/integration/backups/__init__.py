"""Backups, and restoring them, with real servers."""
