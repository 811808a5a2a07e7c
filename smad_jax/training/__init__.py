"""From step n to step n + 1, and how a run is saved.

Models, methods and data arrive as arguments: nothing of ours but `errors` is imported
here. Read `stepping.py` first, then `loop.py`.
"""
