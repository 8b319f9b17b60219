"""What can be seen by reading: one rule per practice with a syntactic form."""
