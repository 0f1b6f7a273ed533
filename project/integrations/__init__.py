"""Connect tasks to other systems: thin layers on libraries; tasks do the retries."""
