"""How the page sounds: what it plays, rendered by the browser's OfflineAudioContext."""

import numpy as np
import pytest
import soundfile
from instrument_page import (
    RATE_HZ,
    amplitude,
    frequency,
    move,
    off,
    on,
    part,
    render,
    rms,
    watch,
)
from instruments import LOOP, RELEASE, SAMPLES, write_instrument

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.instrument import loops, page

# Of the miniature's notes: amplitudes in the files, and the gain that belongs to them.
FUNDAMENTAL, OVERTONE, GAIN = 0.6, 0.3, 0.5
LEVEL = FUNDAMENTAL * GAIN


def sounding_hz(pitch):
    """The miniature's frequencies are whole numbers; the page tunes them."""
    return 440 * 2 ** ((pitch - 69) / 12)


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tones")
    write_instrument(folder)
    tab = browser.new_page()
    errors = watch(tab)
    tab.goto(page.write_page(folder).path.as_uri())
    yield tab
    assert errors == []
    tab.close()


@pytest.mark.parametrize("key", [43, 48, 53, 54, 60, 65, 66, 72, 77])
def test_every_key_sounds_at_its_pitch(opened, key):
    samples = render(opened, [on(0, key)], 1.5)
    cents = 1200 * np.log2(frequency(part(samples, 0.3, 1.4)) / sounding_hz(key))
    assert abs(cents) < 1


def test_a_note_is_as_loud_as_it_was_rendered_and_as_it_is_pressed(opened):
    loud = render(opened, [on(0, 60, 127)], 1.0)
    assert amplitude(part(loud, 0.2, 0.9), sounding_hz(60)) == pytest.approx(LEVEL, rel=1e-2)
    soft = render(opened, [on(0, 60, 64)], 1.0)
    assert rms(soft) / rms(loud) == pytest.approx((64 / 127) ** 2, rel=1e-2)
    quiet = render(opened, [on(0, 60, 127)], 1.0, volume=0.5)
    assert rms(quiet) / rms(loud) == pytest.approx(0.25, rel=1e-2)


def test_the_same_events_give_the_same_samples(opened):
    events = [on(0, 60), move(0.2, 0.7, 0.4), on(0.3, 64), off(0.5, 60)]
    assert np.array_equal(render(opened, events, 1.0), render(opened, events, 1.0))


def test_a_held_note_goes_on_and_its_loop_has_no_seam(opened):
    samples = render(opened, [on(0, 61)], 6.0)
    curve = np.abs(np.diff(samples, n=2))
    rate = 2 ** (1 / 12)  # key 61 plays the note of 60, a semitone higher
    length_s = (LOOP[1] - LOOP[0]) / SAMPLE_RATE_HZ
    seams = [(LOOP[1] / SAMPLE_RATE_HZ + turn * length_s) / rate for turn in range(3)]
    assert seams[-1] < 5.9
    elsewhere = part(curve, 0.1, seams[0] - 0.1).max()
    for seam in seams:
        assert part(curve, seam - 0.05, seam + 0.05).max() <= 1.01 * elsewhere
    # It sounds at its level, which the file would not have after its end at 4 s.
    assert rms(part(samples, 5, 5.9)) == pytest.approx(rms(part(samples, 0.5, 1.4)), rel=1e-2)


def test_a_loop_that_does_not_fit_what_follows_it_has_no_seam(browser, tmp_path):
    """The crossfades in the file lead from the loop's end to its start, and to what follows it."""
    instrument = write_instrument(tmp_path, pitches=(60,), resolution=2)
    for note in instrument.notes:
        path = tmp_path / note.file
        samples, rate_hz = soundfile.read(path, dtype="float32")
        samples[LOOP[1] :] = -samples[LOOP[1] :]
        baked = loops.bake(samples, loops.Loop(*LOOP, correlation=1.0))
        soundfile.write(path, baked, rate_hz, subtype="PCM_16")
    tab = browser.new_page()
    tab.goto(page.write_page(tmp_path).path.as_uri())
    for settings in ({}, {"loop": False}):
        curve = np.abs(np.diff(render(tab, [on(0, 60)], 2.5, **settings), n=2))
        assert part(curve, 1.95, 2.05).max() <= 1.05 * part(curve, 1.2, 1.8).max()
    tab.close()


def test_without_loop_a_note_plays_to_its_end(opened):
    end_s = SAMPLES / SAMPLE_RATE_HZ
    for settings, x, y, key in (({"loop": False}, 0, 0, 60), ({}, 0.5, 0.5, 72)):
        samples = render(opened, [on(0, key)], 5.0, x=x, y=y, **settings)
        assert rms(part(samples, 2.5, 2.9)) > 0.1
        assert rms(part(samples, end_s + 0.01, 5)) == 0


def test_the_end_of_a_key_is_the_notes_own_release(opened):
    samples = render(opened, [on(0, 60)], 1.25, release=8)
    before = amplitude(part(samples, 0.9, 1.2), sounding_hz(60))
    tail_s = (SAMPLES - RELEASE) / SAMPLE_RATE_HZ
    # The file fades over its last second; the envelope makes a thousandth of it in 8 s.
    for after_s in (0.2, 0.4, 0.6):
        at = 1.25 + after_s
        faded = (1 - after_s / tail_s) * 1000 ** (-after_s / 8)
        found = amplitude(part(samples, at - 0.05, at + 0.05), sounding_hz(60))
        assert found == pytest.approx(before * faded, rel=0.03)
    assert rms(part(samples, 1.25 + tail_s + 0.05, 3)) == 0
    # In the crossfade, too, which a tail out of phase would make a dip: here for 15 ms.
    assert rms(part(samples, 1.252, 1.263)) > 0.95 * rms(part(samples, 1.22, 1.25))
    curve = np.abs(np.diff(samples, n=2))
    assert part(curve, 1.2, 1.3).max() <= 1.01 * part(curve, 0.9, 1.2).max()


def test_the_release_of_the_envelope(opened):
    samples = render(opened, [on(0, 60)], 1.0, release=0.3)
    level = amplitude(part(samples, 0.5, 0.95), sounding_hz(60))
    found = amplitude(part(samples, 1.13, 1.17), sounding_hz(60))
    assert found == pytest.approx(level * 1000**-0.5 * 0.85, rel=0.06)
    assert rms(part(samples, 1.31, 1.35)) < 1e-4


def test_attack_decay_and_sustain(opened):
    samples = render(opened, [on(0, 60)], 3.0, attack=1, decay=0.8, sustain=0.25)
    hz = sounding_hz(60)
    assert amplitude(part(samples, 0.45, 0.55), hz) == pytest.approx(0.5 * LEVEL, rel=0.03)
    assert amplitude(part(samples, 0.97, 1.0), hz) == pytest.approx(LEVEL, rel=0.05)
    assert amplitude(part(samples, 2.6, 2.9), hz) == pytest.approx(0.25 * LEVEL, rel=0.03)


def test_a_key_that_is_lifted_in_its_attack_falls_from_where_it_is(opened):
    samples = render(opened, [on(0, 60)], 0.5, attack=1, release=2)
    hz = sounding_hz(60)
    assert amplitude(part(samples, 0.4, 0.5), hz) == pytest.approx(0.45 * LEVEL, rel=0.03)
    after = amplitude(part(samples, 0.52, 0.58), hz)
    assert after == pytest.approx(0.5 * LEVEL * 1000 ** (-0.05 / 2) * 0.95, rel=0.03)


def test_a_place_between_cells_has_the_sounds_of_both(opened):
    """Cells 0 and 1 have the overtones 2 and 3; in phase, their fundamentals add to one."""
    hz = sounding_hz(60)
    for x, first in ((0.125, 0.75), (0.25, 0.5), (0.375, 0.25)):
        steady = part(render(opened, [on(0, 60)], 2.0, x=x), 0.3, 1.9)
        a, b = (amplitude(steady, overtone * hz) for overtone in (2, 3))
        assert a / (a + b) == pytest.approx(first, abs=0.01)
        assert rms(steady) == pytest.approx(LEVEL * (0.5 + 0.125) ** 0.5, rel=0.01)


def test_a_held_note_morphs_without_a_click_or_a_dip(opened):
    """Also into cells that were silent when it began, which join in phase, as if they had run."""
    events = [on(0, 62)] + [move(1 + 0.01 * i, 0.01 * i, 0.005 * i) for i in range(101)]
    samples = render(opened, events, 4.0)
    hz = sounding_hz(62)
    assert amplitude(part(samples, 0.2, 0.9), 2 * hz) == pytest.approx(GAIN * OVERTONE, rel=0.02)
    # The middle of the right side is cell 5, with overtone 7.
    assert amplitude(part(samples, 2.3, 3.8), 7 * hz) == pytest.approx(GAIN * OVERTONE, rel=0.02)
    assert amplitude(part(samples, 2.3, 3.8), 2 * hz) < 1e-3
    levels = [rms(part(samples, t, t + 0.1)) for t in np.arange(0.1, 3.8, 0.05)]
    assert min(levels) > 0.96 * levels[0]
    assert max(levels) < 1.04 * levels[0]
    curve = np.abs(np.diff(samples, n=2))
    assert part(curve, 1, 2.2).max() <= 1.1 * max(
        part(curve, 0.2, 0.9).max(), part(curve, 2.4, 3.8).max()
    )


def test_notes_with_nothing_in_common_are_as_loud_in_the_middle(browser, tmp_path):
    """Weights that add to one would make two noises 3 dB softer between them."""
    instrument = write_instrument(tmp_path, pitches=(60,), resolution=2)
    for note in instrument.notes:
        noise = np.random.default_rng(note.cell).uniform(-0.5, 0.5, SAMPLES)
        soundfile.write(tmp_path / note.file, noise, SAMPLE_RATE_HZ, subtype="PCM_16")
    tab = browser.new_page()
    tab.goto(page.write_page(tmp_path).path.as_uri())
    at_ends = [rms(part(render(tab, [on(0, 60)], 1.5, x=x), 0.3, 1.4)) for x in (0, 1)]
    middle = rms(part(render(tab, [on(0, 60)], 1.5, x=0.5), 0.3, 1.4))
    assert middle == pytest.approx(np.mean(at_ends), rel=0.05)
    tab.close()


def test_notes_out_of_tune_and_out_of_phase_are_played_together_without_beating(browser, tmp_path):
    """The loops hold 261 and 264 periods, and one of them begins half a period later."""
    instrument = write_instrument(tmp_path, pitches=(60,), resolution=2)
    seconds = np.arange(SAMPLES) / SAMPLE_RATE_HZ
    for note, hz, phase in zip(instrument.notes, (261, 264) * 2, (0, np.pi) * 2, strict=True):
        sound = 0.5 * np.sin(2 * np.pi * hz * seconds + phase)
        soundfile.write(tmp_path / note.file, sound, SAMPLE_RATE_HZ, subtype="PCM_16")
    tab = browser.new_page()
    tab.goto(page.write_page(tmp_path).path.as_uri())
    samples = render(tab, [on(0, 60)], 6.0, x=0.5)
    levels = [
        amplitude(part(samples, t, t + 0.1), sounding_hz(60)) for t in np.arange(0.1, 5.8, 0.1)
    ]
    assert levels == pytest.approx([0.25] * len(levels), rel=0.02)
    assert abs(1200 * np.log2(frequency(part(samples, 0.1, 5.9)) / sounding_hz(60))) < 0.2
    tab.close()


def test_the_wheel_bends(opened):
    samples = render(opened, [on(0, 60), (0.5, "bend", {"cents": 200})], 2.5)
    assert frequency(part(samples, 0, 0.48)) == pytest.approx(sounding_hz(60), rel=2e-3)
    assert frequency(part(samples, 0.6, 2.4)) == pytest.approx(sounding_hz(62), rel=1e-3)


@pytest.mark.parametrize(
    ("before", "key", "settings"),
    [
        ([on(0, 60)], 60, {}),
        ([on(0, 60), (0.5001, "bend", {"cents": 200})], 62, {}),
        ([on(0, 60), (0.3, "bend", {"cents": -70}), (0.7, "bend", {"cents": 0})], 60, {}),
        ([on(0, 60), off(0.05, 60), on(0.1, 72)], 72, {"glide": 0.6, "release": 0.05}),
    ],
    ids=["steady", "bent", "bent and back", "slid"],
)
def test_what_joins_a_note_is_in_phase_with_it(opened, before, key, settings):
    """Out of phase, the fundamentals of two cells would cancel each other in part."""
    moved = render(opened, [*before, move(1.2, 0.25, 0)], 2.5, **settings)
    from_there = render(opened, [on(0, key)], 2.5, x=0.25)
    joined, together = (
        amplitude(part(samples, 1.4, 2.4), sounding_hz(key)) for samples in (moved, from_there)
    )
    assert joined == pytest.approx(together, rel=0.01)


def test_glide_and_octave(opened):
    events = [on(0, 60), off(0.3, 60), on(0.5, 72)]
    samples = render(opened, events, 2.5, glide=0.8, release=0.05)
    assert frequency(part(samples, 0.5, 0.6)) == pytest.approx(sounding_hz(60), rel=0.08)
    middle = frequency(part(samples, 0.85, 0.95))
    assert middle == pytest.approx(sounding_hz(66), rel=0.03)
    assert frequency(part(samples, 1.4, 2.4)) == pytest.approx(sounding_hz(72), rel=1e-3)
    low = render(opened, [on(0, 60)], 1.0, octave=-1)
    assert frequency(part(low, 0.2, 0.9)) == pytest.approx(sounding_hz(48), rel=1e-3)


def test_the_start_leaves_out_the_beginning(browser, tmp_path):
    instrument = write_instrument(tmp_path, pitches=(60,), resolution=2)
    for note in instrument.notes:
        samples, rate_hz = soundfile.read(tmp_path / note.file, dtype="int16")
        samples[: rate_hz // 2] = 0
        soundfile.write(tmp_path / note.file, samples, rate_hz, subtype="PCM_16")
    tab = browser.new_page()
    tab.goto(page.write_page(tmp_path).path.as_uri())
    assert rms(part(render(tab, [on(0, 60)], 1.0), 0, 0.45)) == 0
    # A quarter of the 3 s before the release.
    assert rms(part(render(tab, [on(0, 60)], 1.0, start=0.25), 0.05, 0.45)) > 0.1
    tab.close()


def test_the_oldest_voice_makes_room_without_a_click(opened):
    events = [on(0, 48), on(0.5, 55), on(1.0, 64)]
    samples = render(opened, events, 2.0, voices=2)
    steady = part(samples, 1.1, 1.95)
    levels = [amplitude(steady, sounding_hz(key)) for key in (48, 55, 64)]
    assert levels[0] < 1e-3
    assert levels[1:] == pytest.approx([LEVEL, LEVEL], rel=0.02)
    curve = np.abs(np.diff(samples, n=2))
    assert part(curve, 0.95, 1.05).max() <= 1.3 * part(curve, 1.1, 1.9).max()


def test_the_pedal_holds_what_is_lifted(opened):
    events = [(0, "pedal", {"down": True}), on(0, 60), off(0.2, 60)]
    held = render(opened, [*events, (1.5, "pedal", {"down": False})], 3.0, release=0.1)
    assert amplitude(part(held, 1.0, 1.45), sounding_hz(60)) == pytest.approx(LEVEL, rel=0.02)
    assert rms(part(held, 1.8, 3)) == 0


def test_panic_is_silence_at_once(opened):
    events = [(0, "pedal", {"down": True}), on(0, 60), on(0, 64), (1.0, "panic", {})]
    assert rms(part(render(opened, events, 2.0, release=8), 1.02, 2)) == 0


def test_many_notes_stay_below_full_scale(opened):
    samples = render(opened, [on(0, 48 + 3 * i) for i in range(10)], 1.5)
    assert np.abs(samples).max() <= 1
    assert np.abs(samples).max() > 0.7


def test_files_are_read_to_the_last_bit_and_upsampled_between_their_samples(opened):
    """At 16 kHz in the browser, and three times as many samples in the buffer."""
    peak, length, rate_hz = opened.evaluate(
        """async () => {
          const sound = await window.testSounds.load(0, 60);
          const decoder = new OfflineAudioContext(1, 1, 16000);
          const bytes = await window.testSounds.read("notes/0-60.wav");
          const file = (await decoder.decodeAudioData(bytes)).getChannelData(0);
          const data = sound.buffer.getChannelData(0);
          let worst = 0;
          for (let i = 0; i < 32000; i++) worst = Math.max(worst, Math.abs(data[3 * i] - file[i]));
          return [worst, data.length, sound.buffer.sampleRate];
        }"""
    )
    assert (peak, length, rate_hz) == (0, 3 * SAMPLES, RATE_HZ)
