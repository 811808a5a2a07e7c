"""The embedded benchmark as a data set folder: rendered, labelled and split."""
