"""The installed command `wavenet-ae`: each tool is flags, and the way from them to the library.

A tool imports what computes when it runs, so that `--help` and refusals come at once.
"""
