"""The HTTP side: one router per noun."""
