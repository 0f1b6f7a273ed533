"""Programs that run in the venvs of other task queues; they import nothing of this project."""
