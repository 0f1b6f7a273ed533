"""Mail: SMTP and IMAP."""
