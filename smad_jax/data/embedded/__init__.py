"""The embedded benchmark: what its videos show, drawn with NumPy alone."""
