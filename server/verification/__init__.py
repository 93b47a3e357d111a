"""What outsiders can have checked without signing in: receipts, against the office's own log."""
