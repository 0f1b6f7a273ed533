"""What runs in a consumer beside its jobs."""
