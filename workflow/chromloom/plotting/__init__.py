"""Arrays and tables in, matplotlib Axes out; nothing here reads a file or computes a result."""
