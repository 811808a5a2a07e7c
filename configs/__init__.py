"""One file an experiment; `common` holds the recipes they start from."""
