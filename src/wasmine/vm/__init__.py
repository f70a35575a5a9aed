"""Native memory and what lives in it: linear memories, tables, globals, functions, instances."""
