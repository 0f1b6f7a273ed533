"""What a task can declare and use, on real workers."""
