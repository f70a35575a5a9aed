"""Differential fuzzing: generated modules must do here exactly what they do in wasmtime.

    python -m tests.fuzz --count 1000 --seed 0

A seed determines a module, the options it is compiled with, and everything that is done with it,
so that a report of one number is enough to repeat a difference.
"""
