"""Connect tasks to mail, FTP, a database and webhooks: thin layers on libraries; tasks do the retries."""
