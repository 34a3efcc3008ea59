"""What several test suites need: a real service on a real port, and pictures."""
