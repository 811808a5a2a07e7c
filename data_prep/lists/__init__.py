"""Lists of videos and folders of classes, read into ids, files and labels."""
