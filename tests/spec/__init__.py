"""The official WebAssembly test suite, run against wasmine: `pytest tests/spec` or `python -m tests.spec`."""
