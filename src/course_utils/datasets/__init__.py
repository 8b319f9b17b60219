"""Images on disk: shipped, cached, found or downloaded, and read into memory."""
