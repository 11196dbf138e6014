"""What came in: finding a case's files, checking and reading them."""
