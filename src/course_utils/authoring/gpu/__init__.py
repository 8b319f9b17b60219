"""Every lesson and solution on a GPU, on record: ``make gpu``."""
