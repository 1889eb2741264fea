"""Real samplers that play packs: sfizz for SFZ, FluidSynth for SF2."""

import fluidsynth
import numpy as np
import pytest

RATE_HZ = 48_000
_BLOCK_SAMPLES = 64
# At the full velocity FluidSynth's gain of 1 plays a sample at half its level on each side.
_FLUIDSYNTH_GAIN = 2.0


def play_sfz(path, events, seconds, voices=256):
    """Plays an SFZ file.

    Args:
        path: of the file.
        events: (time in seconds, name of sfizz's event, its arguments), in order; a time is rounded
            to blocks of 1.3 ms.
        seconds: to render.
        voices: sfizz's.

    Returns:
        [samples] of the left channel, and how many voices were active at most.
    """
    pysfizz = pytest.importorskip("pysfizz")
    player = pysfizz.Synth(RATE_HZ, _BLOCK_SAMPLES)
    player._synth.set_num_voices(voices)
    # Samples in memory: else it reads them beside the playing, and is silent where that is late.
    in_memory = path.with_suffix(".in_memory.sfz")
    in_memory.write_text(f"<control> hint_ram_based=1\n{path.read_text()}")
    assert player.load_sfz_file(in_memory)
    in_memory.unlink()
    return _run(
        lambda event, *numbers: getattr(player._synth, event)(0, *numbers),
        lambda: player._synth.render_block()[0],
        player._synth.get_num_active_voices,
        events,
        seconds,
    )


def play_sf2(path, preset, events, seconds):
    """Plays a preset of a SoundFont as `play_sfz` does, with `noteon`, `noteoff` and `cc`."""
    settings = {"synth.reverb.active": 0, "synth.chorus.active": 0}
    player = fluidsynth.Synth(gain=_FLUIDSYNTH_GAIN, samplerate=float(RATE_HZ), **settings)
    try:
        font = player.sfload(str(path))
        assert font >= 0
        assert player.program_select(0, font, 0, preset) == 0
        return _run(
            lambda event, *numbers: getattr(player, event)(0, *numbers),
            lambda: player.get_samples(_BLOCK_SAMPLES)[::2] / 32768,
            player.get_active_voice_count,
            events,
            seconds,
        )
    finally:
        player.delete()


def _run(send, render, count, events, seconds):
    blocks, most = [], 0
    waiting = list(events)
    for number in range(round(seconds * RATE_HZ / _BLOCK_SAMPLES)):
        while waiting and waiting[0][0] * RATE_HZ <= number * _BLOCK_SAMPLES:
            _, *event = waiting.pop(0)
            send(*event)
        blocks.append(np.array(render()))
        most = max(most, count())
    return np.concatenate(blocks), most


def held(key, seconds=10.0, *, on="note_on", off="note_off"):
    """Events of one note at full velocity."""
    release = (key, 0) if off == "note_off" else (key,)
    return [(0.0, on, key, 127), (seconds, off, *release)]


def cut(audio, start_s, end_s):
    return audio[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)]


def strongest_hz(audio):
    """The frequency of the strongest partial, by the log-parabola through a spectrum's peak."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 4 * len(audio)))
    peak = int(spectrum.argmax())
    before, at, after = np.log(spectrum[peak - 1 : peak + 2])
    offset = 0.5 * (before - after) / (before - 2 * at + after)
    return (peak + offset) * RATE_HZ / (4 * len(audio))


def level(audio, hz):
    """The amplitude of a partial."""
    window = np.hanning(len(audio))
    turns = np.exp(-2j * np.pi * hz * np.arange(len(audio)) / RATE_HZ)
    return 2 * abs(np.sum(audio * window * turns)) / window.sum()


def rms(audio):
    return float(np.sqrt(np.mean(np.square(audio))))


def roughness(audio):
    """The size of the second difference at each sample."""
    return np.abs(np.diff(audio, 2))
