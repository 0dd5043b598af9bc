"""What the whole is promised to do, asked from outside."""
