"""Backups of the database and of an FTP server."""
