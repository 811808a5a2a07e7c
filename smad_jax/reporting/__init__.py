"""Tables and pictures from finished runs; nothing here needs an accelerator."""
