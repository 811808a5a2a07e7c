"""Reads lists of videos and class folders into ids, files and labels."""
