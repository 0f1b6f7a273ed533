"""The relational database."""
