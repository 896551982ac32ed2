"""What the program costs, beside what a user would otherwise run."""
