"""Small experiments for the labs: `.venv/bin/python -m docs.labs.measure --help`."""
