"""Jobs for later: what the scheduler (celery beat) runs."""
