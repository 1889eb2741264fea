"""Sound files that are not whole, or whose headers say what is not so."""

import io
import random
import struct

import numpy as np
import pytest
import soundfile

from wavenet_ae.audio import files
from wavenet_ae.audio.files import AudioFileError

FORMATS = {
    "wav": {},
    "flac": {},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {"format": "MP3"},
    "aiff": {},
    "w64": {},
    "caf": {},
    "au": {},
    "rf64": {},
}


def tone(num_samples=4000, channels=1):
    t = np.arange(num_samples)[:, None] * (1 + np.arange(channels)) / files.SAMPLE_RATE_HZ
    noise = np.random.default_rng(0).standard_normal((num_samples, channels))
    return 0.5 * np.sin(2 * np.pi * 440 * t) + 0.01 * noise


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """A sound of 4,000 samples in each format."""
    folder = tmp_path_factory.mktemp("sounds")
    for suffix, settings in FORMATS.items():
        soundfile.write(folder / f"a.{suffix}", tone(), 16_000, **settings)
    return {suffix: (folder / f"a.{suffix}").read_bytes() for suffix in FORMATS}


def load(folder, content, suffix="wav"):
    path = folder / f"sound.{suffix}"
    path.write_bytes(content)
    return files.load(path)


def outcome(folder, content, suffix):
    """Returns the samples, or None where the file is refused by name."""
    try:
        audio = load(folder, content, suffix)
    except AudioFileError as error:
        sentence = str(error)
    else:
        assert audio.dtype == np.float32
        assert audio.ndim == 1
        assert np.isfinite(audio).all()
        return audio
    assert f"sound.{suffix}" in sentence
    assert "\n" not in sentence
    return None


def kind(content):
    """Returns what libsndfile makes of a header, aside from the length."""
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            return file.samplerate, file.channels, file.format, file.subtype, file.endian
    except soundfile.SoundFileError:
        return None


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_whole_file_is_read_whole(contents, tmp_path, suffix):
    assert len(load(tmp_path, contents[suffix], suffix)) == 4000


def check_cuts_and_flips(folder, content, suffix, number):
    whole = load(folder, content, suffix)
    draw = random.Random(f"{suffix} {number}")
    for _ in range(number):
        cut = draw.randrange(len(content))
        audio = outcome(folder, content[:cut], suffix)
        assert audio is None or np.array_equal(audio, whole), f"cut at {cut}"

        flipped = bytearray(content)
        bit = draw.randrange(8 * (len(content) if draw.random() < 0.5 else min(100, len(content))))
        flipped[bit // 8] ^= 1 << bit % 8
        audio = outcome(folder, bytes(flipped), suffix)
        if audio is not None and kind(flipped) == kind(content):
            # Only checksums show that a sample or its scale has changed.
            if suffix in ("flac", "ogg", "opus"):
                assert np.array_equal(audio, whole), f"bit {bit}"
            # Of an MP3 the delay and the padding, 12 bits each, may be others.
            assert abs(len(audio) - len(whole)) <= (4096 if suffix == "mp3" else 0), f"bit {bit}"


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_cut_or_changed_is_right_or_refused(contents, tmp_path, suffix):
    check_cuts_and_flips(tmp_path, contents[suffix], suffix, 40)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FORMATS)
def test_whatever_is_cut_or_changed_is_right_or_refused(contents, tmp_path, suffix):
    check_cuts_and_flips(tmp_path, contents[suffix], suffix, 2000)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_that_breaks_off_is_refused_with_a_remedy(contents, tmp_path, suffix):
    content = contents[suffix]
    with pytest.raises(AudioFileError, match=rf"sound\.{suffix} .*(breaks off|cannot be read)"):
        load(tmp_path, content[: len(content) * 2 // 3], suffix)


def test_a_length_that_is_not_told_is_that_of_the_file(contents, tmp_path):
    wav = contents["wav"]
    expected = load(tmp_path, wav)
    streamed = [0xFFFF_FFFF, 0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000]  # by ffmpeg, SoX and arecord
    for size in (0, *streamed):
        sizes = struct.pack("<I", size)
        content = wav[:4] + sizes + wav[8:40] + sizes + wav[44:]
        np.testing.assert_array_equal(load(tmp_path, content), expected, str(size))
    au = contents["au"]
    content = au[:8] + b"\xff" * 4 + au[12:]
    np.testing.assert_array_equal(load(tmp_path, content, "au"), expected)
    caf = contents["caf"]
    place = caf.index(b"data") + 4
    content = caf[:place] + b"\xff" * 8 + caf[place + 8 :]
    np.testing.assert_array_equal(load(tmp_path, content, "caf"), expected)


def test_a_header_that_tells_of_too_few_samples_is_refused(contents, tmp_path):
    wav = contents["wav"]
    content = wav[:40] + struct.pack("<I", 800) + wav[44:]  # as one beyond 4 GiB
    with pytest.raises(AudioFileError, match="its header gives fewer samples than there are"):
        load(tmp_path, content)
    aiff = contents["aiff"]
    place = aiff.index(b"SSND") + 4
    content = aiff[:place] + bytes(4) + aiff[place + 4 :]
    with pytest.raises(AudioFileError, match="its header gives fewer samples than there are"):
        load(tmp_path, content, "aiff")


def test_what_follows_the_samples_is_no_part_of_them(contents, tmp_path):
    wav = contents["wav"]
    expected = load(tmp_path, wav)
    chunk = b"LIST" + struct.pack("<I", 4) + b"INFO"
    for rest in (chunk, bytes(100), b"ID3\4" + bytes(20), b"TAG" + bytes(125)):
        np.testing.assert_array_equal(load(tmp_path, wav + rest), expected)
    empty = wav[:4] + struct.pack("<I", 48) + wav[8:40] + bytes(4) + chunk
    with pytest.raises(AudioFileError, match="holds no samples"):
        load(tmp_path, empty)
    odd = wav[:40] + struct.pack("<I", 7999) + wav[44:-1]
    for padding in (b"", b"\0"):
        assert len(load(tmp_path, odd + padding + chunk)) == 3999


def test_tags_in_front_are_passed_over(contents, tmp_path):
    tag = b"ID3\4\0\0\0\0\1\2" + b"x" * 130
    for suffix in ("wav", "flac", "ogg", "mp3", "aiff"):
        content = contents[suffix]
        np.testing.assert_array_equal(
            load(tmp_path, tag + tag + content, suffix), load(tmp_path, content, suffix)
        )


def test_two_sounds_in_one_file_are_refused(contents, tmp_path):
    with pytest.raises(AudioFileError, match="holds several sounds"):
        load(tmp_path, contents["ogg"] + contents["opus"], "ogg")


def test_a_page_that_is_missing_or_changed_is_found(contents, tmp_path):
    content = bytearray(contents["ogg"])
    second = content.index(b"OggS", 4)
    third = content.index(b"OggS", second + 4)
    with pytest.raises(AudioFileError, match=f"lacks a part, before byte {second}"):
        load(tmp_path, content[:second] + content[third:], "ogg")
    content[-1] ^= 1
    last = content.rindex(b"OggS")
    with pytest.raises(AudioFileError, match=f"is damaged at byte {last:,}"):
        load(tmp_path, content, "ogg")


@pytest.mark.parametrize(("subtype", "channels"), [("PCM_S8", 1), ("PCM_16", 2), ("PCM_24", 3)])
def test_the_checksum_of_flac(tmp_path, subtype, channels):
    path = tmp_path / "a.flac"
    soundfile.write(path, tone(channels=channels), 16_000, subtype)
    content = bytearray(path.read_bytes())
    assert len(load(tmp_path, content, "flac")) == 4000
    content[26] ^= 1
    with pytest.raises(AudioFileError, match="its samples do not match its checksum"):
        load(tmp_path, content, "flac")
    content[26:42] = bytes(16)  # it has none
    assert len(load(tmp_path, content, "flac")) == 4000
