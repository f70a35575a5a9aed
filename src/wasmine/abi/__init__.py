"""What compiled code and the runtime agree on: records, offsets, builtins, calling convention."""
