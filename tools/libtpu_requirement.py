"""Prints the requirement that JAX, as it is installed, has on libtpu: `libtpu==0.0.42.*`.

With another version a TPU's programs may compile and then not be read.
"""

import importlib.metadata

REQUIREMENTS = [text.partition(";")[0].strip() for text in importlib.metadata.requires("jax")]

print(next(text for text in REQUIREMENTS if text.startswith("libtpu")))
