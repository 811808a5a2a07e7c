"""Makes the embedded benchmark: rendered, encoded, labelled and split videos."""
