"""The rooms of the ISP Customer Tracker, each named for its subject."""
