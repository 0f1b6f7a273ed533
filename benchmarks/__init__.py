"""Benchmarks of the leased transport against other transports and task queues."""
