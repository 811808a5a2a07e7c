"""The embedded benchmark: its videos, drawn with NumPy alone."""
