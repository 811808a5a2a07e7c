"""What every room uses: files, tables, sections of configs, aspects, command lines."""
