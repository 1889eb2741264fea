"""MP3s and their lengths."""

import struct

import numpy as np
import pytest
import soundfile

from wavenet_ae.audio import files, mpeg
from wavenet_ae.audio.files import AudioFileError

RATE_HZ = 44_100


def mp3(folder, *, seconds=3.0, rate_hz=RATE_HZ, channels=1, **settings):
    """Returns an MP3 whose second half is not as simple as the first."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    noise = 0.02 * np.random.default_rng(0).standard_normal(len(t)) * (t > seconds / 2)
    audio = 0.4 * np.sin(2 * np.pi * 220 * t) + noise
    settings = {"bitrate_mode": "VARIABLE", "compression_level": 0.5} | settings
    soundfile.write(
        folder / "a.mp3", np.stack([audio] * channels, 1), rate_hz, format="MP3", **settings
    )
    return (folder / "a.mp3").read_bytes()


def seconds(folder, content):
    (folder / "b.mp3").write_bytes(content)
    return len(files.load(folder / "b.mp3")) / files.SAMPLE_RATE_HZ


def without_length(content):
    return content[mpeg._frame(content[:4]).size :]


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT", "AVERAGE"])
@pytest.mark.parametrize("rate_hz", [44_100, 22_050, 8_000])  # MPEG-1, MPEG-2 and 2.5
@pytest.mark.parametrize("channels", [1, 2])
def test_the_length_is_that_of_all_frames(tmp_path, mode, rate_hz, channels):
    content = mp3(tmp_path, rate_hz=rate_hz, channels=channels, bitrate_mode=mode)
    assert seconds(tmp_path, content) == pytest.approx(3.0, abs=1e-4)
    frame = (1152 if rate_hz == 44_100 else 576) / rate_hz
    for tags in (b"", b"TAG" + bytes(125)):
        # The encoder's delay and padding are stored in the frame that is missing.
        found = seconds(tmp_path, without_length(content) + tags)
        assert 3.0 <= found <= 3.0 + 3.5 * frame


def test_a_sound_without_its_length_is_the_same(tmp_path):
    content = mp3(tmp_path)
    seconds(tmp_path, without_length(content))
    found = files.load(tmp_path / "b.mp3")
    expected = files.load(tmp_path / "a.mp3")
    lag = round(576 * 16_000 / RATE_HZ)  # LAME's delay
    errors = [
        np.abs(found[lag + shift :][: len(expected)][8000:40_000] - expected[8000:40_000]).max()
        for shift in range(-3, 4)
    ]
    assert min(errors) < 0.02


def test_an_mp3_within_a_wav_has_all_its_frames(tmp_path):
    mp3_alone = without_length(mp3(tmp_path))
    fmt = struct.pack("<HHIIHHHHIHHH", 0x55, 1, RATE_HZ, 16_000, 1, 0, 12, 1, 2, 417, 1, 0)
    chunks = b"fmt " + struct.pack("<I", len(fmt)) + fmt
    chunks += b"data" + struct.pack("<I", len(mp3_alone)) + mp3_alone
    wav = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks
    assert seconds(tmp_path, wav) == seconds(tmp_path, mp3_alone) >= 3.0


def test_a_length_of_the_first_part_is_not_believed(tmp_path):
    content = mp3(tmp_path)
    assert seconds(tmp_path, content + content) == pytest.approx(6.0, abs=0.1)


def test_frames_that_are_missing_are_told(tmp_path):
    content = mp3(tmp_path)
    sizes = [frame.size for frame in mpeg._frames(content)]
    for lost in (1, 40):
        with pytest.raises(AudioFileError, match=r"promises 1\d\d frames, and \d+ follow"):
            seconds(tmp_path, content[: -sum(sizes[-lost:])])
    with pytest.raises(AudioFileError, match="breaks off within its last frame"):
        seconds(tmp_path, without_length(content)[:-1])
    place = sum(sizes[:10])
    with pytest.raises(AudioFileError, match=f"is damaged at byte {place:,}, where no frame"):
        seconds(tmp_path, content[:place] + b"junk" + content[place:])


def test_a_bit_rate_that_is_not_told_is_refused(tmp_path):
    content = bytearray(mp3(tmp_path))
    content[2] &= 0x0F
    with pytest.raises(AudioFileError, match="no frames of MPEG audio that can be counted"):
        seconds(tmp_path, content)


def test_a_length_that_layer_2_cannot_tell_is_refused():
    frame = bytes([0xFF, 0xFD, 0x80, 0]).ljust(144 * 128_000 // 44_100, b"\0")
    shorter = bytes([0xFF, 0xFD, 0x70, 0]).ljust(144 * 112_000 // 44_100, b"\0")
    assert mpeg.with_length(frame * 3) == frame * 3
    with pytest.raises(files.DamageError, match="variable bit rate"):
        mpeg.with_length(frame + shorter)


def test_aac_is_no_mp3():
    # ADTS: the bits of the layer are 0.
    assert not mpeg.begins(b"\xff\xf1\x50\x80")
    assert not mpeg.begins(b"\xff\xf9\x50\x80")
    assert mpeg.begins(b"\xff\xfb\x90\x64")
