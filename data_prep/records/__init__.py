"""Video files and the record shards that they are stored in."""
