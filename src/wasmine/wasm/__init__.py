"""The binary format: from bytes to a checked module, and to text for people."""
