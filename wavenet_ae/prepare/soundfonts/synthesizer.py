"""Notes and phrases of a SoundFont, rendered by FluidSynth through its C interface."""

import contextlib
import ctypes
import math
import os
from collections.abc import Iterator, Sequence
from ctypes import c_char_p, c_double, c_float, c_int, c_void_p
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import soxr
from numpy.typing import NDArray

from wavenet_ae.audio import midi
from wavenet_ae.data import nsynth
from wavenet_ae.prepare.soundfonts import sf3
from wavenet_ae.system.errors import UserError

# FluidSynth does not band-limit what it transposes upwards: rendered at 16 kHz, everything above
# 8 kHz aliases. At 48 kHz only what is above 40 kHz aliases into the band, and the resampler
# removes the rest. Against a rendering at 96 kHz, a trumpet's pitch 103 is wrong by
# -2 dB of its power at 16 kHz and by -41 dB at 48 kHz, a piano's pitch 60 by -44 dB and -58 dB,
# for less than twice the time.
RENDER_RATE_HZ = 48_000
_RESAMPLER_QUALITY = "HQ"  # 20 bits of precision for a result of 16

# Fixed settings of the synthesizer; the rate and the gain come on top.
SETTINGS = {
    "synth.reverb.active": 0,
    "synth.chorus.active": 0,
    "synth.polyphony": 64,
    # Samples are read when a program is chosen, not when the font is opened.
    "synth.dynamic-sample-loading": 1,
    "synth.lock-memory": 0,
}
INTERPOLATION = 7  # points, the most there are; a few percent slower than 4

_CHANNEL = 0
_BANK = 0  # General MIDI's melodic bank
_FAILED = -1
_BLOCK_SAMPLES = 64  # keys take effect at the bounds of FluidSynth's blocks
_ROUNDING = 1e-6  # of blocks: sums of seconds are not exact
_MOST_AT_ONCE = 1024 * _BLOCK_SAMPLES

_LIBRARY = "libfluidsynth.so.3"
_PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "fluid_version_str": (c_char_p,),
    "fluid_set_log_function": (c_void_p, c_int, c_void_p, c_void_p),
    "fluid_is_soundfont": (c_int, c_char_p),
    "new_fluid_settings": (c_void_p,),
    "delete_fluid_settings": (None, c_void_p),
    "fluid_settings_setint": (c_int, c_void_p, c_char_p, c_int),
    "fluid_settings_setnum": (c_int, c_void_p, c_char_p, c_double),
    "new_fluid_synth": (c_void_p, c_void_p),
    "delete_fluid_synth": (None, c_void_p),
    "fluid_synth_sfload": (c_int, c_void_p, c_char_p, c_int),
    "fluid_synth_get_sfont_by_id": (c_void_p, c_void_p, c_int),
    "fluid_synth_add_sfont": (c_int, c_void_p, c_void_p),
    "fluid_synth_remove_sfont": (c_int, c_void_p, c_void_p),
    "fluid_sfont_get_preset": (c_void_p, c_void_p, c_int, c_int),
    "fluid_preset_get_name": (c_char_p, c_void_p),
    "fluid_synth_program_select": (c_int, c_void_p, c_int, c_int, c_int, c_int),
    "fluid_synth_set_interp_method": (c_int, c_void_p, c_int, c_int),
    "fluid_synth_noteon": (c_int, c_void_p, c_int, c_int, c_int),
    "fluid_synth_noteoff": (c_int, c_void_p, c_int, c_int),
    "fluid_synth_all_sounds_off": (c_int, c_void_p, c_int),
    "fluid_synth_get_active_voice_count": (c_int, c_void_p),
    "fluid_synth_write_float": (
        (c_int, c_void_p, c_int) + (ctypes.POINTER(c_float), c_int, c_int) * 2
    ),
}


@cache
def _library() -> ctypes.CDLL:
    """Returns FluidSynth with typed functions, and collects its log.

    Raises:
        UserError: FluidSynth or its Python package is not installed.
    """
    try:
        # This also searches LD_LIBRARY_PATH; the package would need a compiler's tools for it.
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        try:
            import fluidsynth  # looks for the C library at import
        except ImportError as error:
            raise UserError(
                "FluidSynth is not installed: run `apt-get install libfluidsynth3` (or your "
                "system's equivalent) and `pip install pyfluidsynth`."
            ) from error
        library = fluidsynth._fl
    for name, (result, *arguments) in _PROTOTYPES.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    for level in range(5):
        library.fluid_set_log_function(level, _keep if level <= _WARNING else None, None)
    return library


# FluidSynth's log since it was last cleared: it skips what it cannot read, and reports that only
# there.
_WARNING = 2  # higher levels are for FluidSynth's developers
_errors: list[str] = []
_warnings: list[str] = []


@ctypes.CFUNCTYPE(None, c_int, c_char_p, c_void_p)
def _keep(level: int, message: bytes, _: None) -> None:
    text = message.decode("utf-8", "replace")
    if level < _WARNING:
        _errors.append(text)
    elif not text.startswith("No preset found on channel"):  # every new synthesizer logs this
        _warnings.append(text)


def fluidsynth_version() -> str:
    """Returns the version of the C library.

    Raises:
        UserError: FluidSynth is not installed.
    """
    return _library().fluid_version_str().decode()


class SoundFont:
    """An open SoundFont, from which notes are rendered one by one.

    Every note gets a new synthesizer, so that it does not depend on the notes before it: in a
    reused one, a voice's first note begins differently from later ones. The synthesizers borrow
    the font from a keeper, which holds it and the program's samples in memory, so that a new one
    costs a tenth of a note's rendering.
    """

    def __init__(self, path: Path, gain: float, polyphony: int = SETTINGS["synth.polyphony"]):
        """Opens a font.

        Args:
            path: an sf2 or sf3 file.
            gain: FluidSynth's linear gain, 0 to 10.
            polyphony: voices that sound at once; those beyond cut others off.

        Raises:
            UserError: FluidSynth is not installed or cannot read the file, or a sample is damaged.
        """
        self._fluid = _library()
        self._path = path
        name = os.fsencode(path)
        if not self._fluid.fluid_is_soundfont(name):
            raise UserError(f"{path} is not a SoundFont: give an sf2 or sf3 file as --soundfont.")
        if damaged := sf3.damaged_samples(path):
            raise UserError(
                f"{path} is damaged: {len(damaged)} of its samples are incomplete, {damaged[0]!r} "
                "among them: get the font again."
            )
        _errors.clear()
        _warnings.clear()
        self._settings = self._fluid.new_fluid_settings()
        for setting, value in {**SETTINGS, "synth.polyphony": polyphony}.items():
            self._fluid.fluid_settings_setint(self._settings, setting.encode(), value)
        for setting, value in (("sample-rate", RENDER_RATE_HZ), ("gain", gain)):
            self._fluid.fluid_settings_setnum(self._settings, f"synth.{setting}".encode(), value)
        self._keeper = self._fluid.new_fluid_synth(self._settings)
        # The 1 gives all channels their default programs, as every synthesizer that borrows the
        # font does; the keeper has read those samples already.
        self._font_id = self._fluid.fluid_synth_sfload(self._keeper, name, 1)
        if self._font_id == _FAILED:
            self.close()
            raise UserError(f"{path} is a damaged SoundFont: FluidSynth cannot read it.")
        self._font = self._fluid.fluid_synth_get_sfont_by_id(self._keeper, self._font_id)
        self._program: int | None = None
        try:
            self._check_log()
        except UserError:
            self.close()
            raise
        self.warnings = tuple(_warnings)  # FluidSynth's, on what it skips

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Frees the font; no other method may be called afterwards."""
        self._fluid.delete_fluid_synth(self._keeper)
        self._fluid.delete_fluid_settings(self._settings)

    def presets(self) -> dict[int, str]:
        """Returns the melodic bank: the font's own names by program number."""
        found = {}
        for program in range(128):
            preset = self._fluid.fluid_sfont_get_preset(self._font, _BANK, program)
            if preset:
                name = self._fluid.fluid_preset_get_name(preset)
                found[program] = name.decode("latin-1").strip()
        return found

    def render(self, program: int, pitch: int, velocity: int) -> NDArray[np.float32]:
        """Renders a note: the key held for 3 s, then released for 1 s.

        Args:
            program: a General MIDI program of `presets`.
            pitch: MIDI number.
            velocity: 1 to 127.

        Returns:
            [nsynth.NOTE_SAMPLES] at 16 kHz, mean of the two channels, full scale 1; it may go
            beyond.

        Raises:
            UserError: FluidSynth cannot read a sample of the program.
        """
        fluid = self._fluid
        # Whole blocks: 48 kHz times 1 s and 3 s are multiples of 64.
        held = RENDER_RATE_HZ * nsynth.HELD_SECONDS
        stereo = np.zeros((RENDER_RATE_HZ * nsynth.NOTE_SECONDS, 2), np.float32)
        with self._new_synthesizer(program) as synth:
            # Fails where the program has no sample for the key: silence.
            fluid.fluid_synth_noteon(synth, _CHANNEL, pitch, velocity)
            self._write(synth, stereo[:held])
            fluid.fluid_synth_noteoff(synth, _CHANNEL, pitch)
            self._write(synth, stereo[held:])
        return soxr.resample(
            stereo.mean(axis=1), RENDER_RATE_HZ, nsynth.SAMPLE_RATE_HZ, _RESAMPLER_QUALITY
        )

    def perform(
        self, program: int, notes: Sequence[midi.Note], release_s: float = 1.0
    ) -> NDArray[np.float32]:
        """Renders notes as one sound.

        Args:
            program: a General MIDI program of `presets`.
            notes: in any order; they begin and end at the next of FluidSynth's blocks, of 1.3 ms.
            release_s: what follows the end of the last note.

        Returns:
            `[samples]` at 16 kHz, mean of the two channels, full scale 1; it may go beyond.

        Raises:
            UserError: FluidSynth cannot read a sample of the program.
        """
        fluid, per_s = self._fluid, RENDER_RATE_HZ / _BLOCK_SAMPLES
        events = []
        for note in notes:
            start, end = (math.ceil(seconds * per_s - _ROUNDING) for seconds in note[:2])
            end = max(start + 1, end)
            events += [(start, 1, note.pitch, note.velocity), (end, 0, note.pitch, 0)]
        last = max(block for block, *_ in events) + math.ceil(release_s * per_s)
        mono, done = np.zeros(last * _BLOCK_SAMPLES, np.float32), 0
        with self._new_synthesizer(program) as synth:
            # Of one block: keys are lifted before others are struck.
            for block, is_on, pitch, velocity in sorted(events):
                self._write_mono(synth, mono[done * _BLOCK_SAMPLES : block * _BLOCK_SAMPLES])
                if is_on:
                    fluid.fluid_synth_noteon(synth, _CHANNEL, pitch, velocity)
                else:
                    fluid.fluid_synth_noteoff(synth, _CHANNEL, pitch)
                done = block
            self._write_mono(synth, mono[done * _BLOCK_SAMPLES :])
        return soxr.resample(mono, RENDER_RATE_HZ, nsynth.SAMPLE_RATE_HZ, _RESAMPLER_QUALITY)

    @contextlib.contextmanager
    def _new_synthesizer(self, program: int) -> Iterator[int]:
        """Yields a synthesizer that has played nothing yet, and frees it.

        Raises:
            UserError: FluidSynth cannot read a sample of the program.
        """
        fluid = self._fluid
        if program != self._program:
            self._choose(self._keeper, self._font_id, program)
            self._check_log()  # it has read the program's samples
            self._program = program
        synth = fluid.new_fluid_synth(self._settings)
        font_id = fluid.fluid_synth_add_sfont(synth, self._font)
        try:
            self._choose(synth, font_id, program)
            fluid.fluid_synth_set_interp_method(synth, _CHANNEL, INTERPOLATION)
            yield synth
            # Voices that still sound keep the font's samples in use.
            fluid.fluid_synth_all_sounds_off(synth, -1)
            while fluid.fluid_synth_get_active_voice_count(synth):
                self._write(synth, np.empty((_BLOCK_SAMPLES, 2), np.float32))
        finally:
            fluid.fluid_synth_remove_sfont(synth, self._font)
            fluid.delete_fluid_synth(synth)

    def _choose(self, synth: int, font_id: int, program: int) -> None:
        chosen = self._fluid.fluid_synth_program_select(synth, _CHANNEL, font_id, _BANK, program)
        if chosen == _FAILED:
            raise ValueError(f"the font has no program {program} in its melodic bank")

    def _check_log(self) -> None:
        if _errors:
            errors = "; ".join(_errors[:2])
            raise UserError(f"{self._path} is damaged ({errors}): get the font again.")

    def _write(self, synth: int, out: NDArray[np.float32]) -> None:
        """Fills `out`, [samples, 2]."""
        # In floats: the writer for 16 bits dithers, with a state that persists between calls.
        buffer = out.ctypes.data_as(ctypes.POINTER(c_float))
        self._fluid.fluid_synth_write_float(synth, len(out), buffer, 0, 2, buffer, 1, 2)

    def _write_mono(self, synth: int, out: NDArray[np.float32]) -> None:
        """Fills `out`, [samples], with the mean of the channels."""
        for first in range(0, len(out), _MOST_AT_ONCE):
            piece = out[first : first + _MOST_AT_ONCE]
            stereo = np.zeros((len(piece), 2), np.float32)
            self._write(synth, stereo)
            stereo.mean(axis=1, out=piece)
