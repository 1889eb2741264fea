"""For tests that compile for TPUs: they need the compiler, and no TPU."""

import importlib.util

import pytest

from wavenet_ae.compilation import chips

needs_libtpu = pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None and not chips.LIBTPU_FOLDER.is_dir(),
    reason="libtpu, which holds the TPU's compiler, is not installed: make libtpu",
)
