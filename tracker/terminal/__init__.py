"""All that asks, prints or pages."""
