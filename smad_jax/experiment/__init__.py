"""One run: its settings, splits, streams, network, folder, and what came of it."""
