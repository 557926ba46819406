"""A report as a value, and the formats it is written in.

`parts.py` says what a report consists of; one file makes one section of it from results; `html.py` and `text.py` write
it. `sources.py` finds the results, `making.py` is the whole way from what a user names.
"""
