"""One file an experiment, over a few shared ones that configs/README.md lists."""
