"""Tests of what users of the package see."""
