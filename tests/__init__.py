"""The tests; what several folders of them share is in `harness`."""
