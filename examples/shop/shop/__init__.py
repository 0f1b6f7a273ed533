"""A shop whose tasks run beside Glassqueue's own."""
