"""What runs in a consumer besides its jobs: heartbeat, log, shutdown."""
