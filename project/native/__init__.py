"""Run the whole stack on one machine without Docker: `make up`."""
