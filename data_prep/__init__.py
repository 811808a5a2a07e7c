"""Commands that make training data: `python -m data_prep.<name>` (see README.md).

The modules here are the commands: they parse options, make a typed call and return a
summary. The rooms hold the rest: `lists`, `records`, `labels`, `bias`, `embedded`.
"""
