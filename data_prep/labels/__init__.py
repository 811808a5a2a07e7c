"""Labels of aspects: by networks, from files, by appearance, and HVU's tags."""
