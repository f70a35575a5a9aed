"""The runtime under load: traps, signals, threads, native stack, builtins."""
