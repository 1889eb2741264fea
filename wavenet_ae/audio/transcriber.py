"""The notes of a recording, by basic-pitch (Bittner et al. 2022), in its ONNX form."""

import contextlib
import functools
import importlib
import io
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

from wavenet_ae.audio import first_call
from wavenet_ae.audio.midi import Note
from wavenet_ae.system.errors import UserError

# It asks for an old TensorFlow, of which it needs nothing in this form.
_INSTALL = "pip install onnxruntime pretty-midi resampy && pip install --no-deps basic-pitch"
_OTHER_FORMS = ("tensorflow", "coremltools", "tflite_runtime")


def transcribe(path: Path) -> list[Note]:
    """Finds the notes of all instruments in a recording; on a core a minute takes some 5 s.

    Args:
        path: of a sound file.

    Returns:
        The notes in the order of their beginnings, then pitches. Velocities are guessed from how
        loud a note is.

    Raises:
        UserError: basic-pitch is not installed.
    """
    inference, model = _load()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        # It reports every file, and divides by the loudness of silent ones.
        warnings.simplefilter("ignore", RuntimeWarning)
        _, _, events = inference.predict(path, model)
    return sorted(
        Note(float(start), float(end), int(pitch), max(1, min(127, round(127 * float(amplitude)))))
        for start, end, pitch, amplitude, _ in events
    )


def check() -> None:
    """Raises a UserError if basic-pitch is not installed, before the work."""
    _load()


@functools.cache
@first_call.exclusive  # resampy compiles when it is imported
def _load() -> tuple[Any, Any]:
    """Returns the library's module `inference`, and its network."""
    hidden = [name for name in _OTHER_FORMS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # so that it does not import them
    logging.disable(logging.WARNING)  # it warns of every form that is absent
    try:
        importlib.import_module("onnxruntime")  # without it basic-pitch fails in other ways
        import basic_pitch
        from basic_pitch import inference

        path = basic_pitch.build_icassp_2022_model_path(basic_pitch.FilenameSuffix.onnx)
        return inference, inference.Model(path)
    except ImportError as error:
        raise UserError(f"transcribing needs basic-pitch ({error}): {_INSTALL}") from error
    finally:
        logging.disable(logging.NOTSET)
        for name in hidden:
            del sys.modules[name]
