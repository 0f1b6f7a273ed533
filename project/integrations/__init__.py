"""What tasks talk to: mail, FTP, a database. Thin: what a library does, it does; retries are the task's."""
