"""Pseudo-labels of aspects: by networks, in parallel parts, from files, by looks."""
