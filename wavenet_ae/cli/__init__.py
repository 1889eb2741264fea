"""The installed command `wavenet-ae`: each tool defines its flags and calls the library.

A tool imports heavy libraries in `main`, so that `--help` and flag errors come at once.
"""
