"""What runs in a consumer beside its jobs: heartbeat, log, shutdown."""
