"""What a task can declare; one module for each option."""
