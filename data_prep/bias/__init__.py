"""How usual a scene is for an action, and splits made by that (Sec. 4, App. A)."""
