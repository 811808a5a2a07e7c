"""The bias audit of any classifier: files in, one self-contained page out."""
