"""Scripts that make what training reads: records, lists and labels.

Each runs as `python -m data_prep.<name>`; `build_records` comes first.
"""
