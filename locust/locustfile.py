"""The load test."""

from locust import HttpUser, task


class Submitter(HttpUser):
    """Submit jobs and never ask for their results."""

    @task
    def submit(self) -> None:
        """Submit a sum."""
        self.client.post("/producer/api/sum", json={"number": 10})
