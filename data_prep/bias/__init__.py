"""Scene frequency by action, and splits and figures made from it (Sec. 4, App. A)."""
