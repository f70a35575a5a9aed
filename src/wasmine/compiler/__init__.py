"""From checked modules to machine code: IR text, object files, images."""
