"""What test_quarter.py plays: a provider, its quarter, an administrator's hand, the day, and books in plain Python."""
