"""One test file for each module, or group of them, of the package."""
