"""Speed and memory at full size; run by hand, on a machine that does nothing else."""
