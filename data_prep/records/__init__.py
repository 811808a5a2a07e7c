"""Stores videos as records, in parallel, shard by shard."""
