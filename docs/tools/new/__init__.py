"""Start a service of your own from a copy of this project: `make new`."""
