"""The text format: from text to the binary format, and scripts of the official suite."""
