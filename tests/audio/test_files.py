import errno
import os
import resource
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavenet_ae.audio import files
from wavenet_ae.system.errors import MachineError, UserError


def noise(shape, seed=0, scale=0.3):
    return scale * np.random.default_rng(seed).uniform(-1, 1, shape)


def write(path, samples, rate_hz=files.SAMPLE_RATE_HZ, subtype=None, **options):
    soundfile.write(path, samples, rate_hz, subtype=subtype, **options)
    return path


def test_16_bit_mono_at_16_khz_loads_exactly(tmp_path):
    integers = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
    integers[:3] = (-32768, 32767, 0)
    audio = files.load(write(tmp_path / "a.wav", integers, subtype="PCM_16"))
    assert audio.dtype == np.float32
    np.testing.assert_array_equal(audio, integers / np.float32(32768))


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        ("a.wav", "PCM_U8", 1 / 128),
        ("a.wav", "PCM_16", 1 / 32768),
        ("a.wav", "PCM_24", 2**-23),
        ("a.wav", "PCM_32", 2**-24),
        ("a.wav", "FLOAT", 2**-24),
        ("a.wav", "DOUBLE", 2**-24),
        ("a.flac", "PCM_24", 2**-23),
        ("a.aiff", "PCM_16", 1 / 32768),
        ("a.AIF", "PCM_24", 2**-23),
        ("a.ogg", "VORBIS", 0.1),
    ],
)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_formats_and_channels(tmp_path, name, subtype, tolerance, channels):
    t = np.arange(8000)[:, np.newaxis] / files.SAMPLE_RATE_HZ
    samples = 0.5 * np.sin(2 * np.pi * 300 * t * (1 + np.arange(channels)))
    format = "AIFF" if name.endswith("AIF") else None
    audio = files.load(write(tmp_path / name, samples, subtype=subtype, format=format))
    assert audio.shape == (8000,)
    assert audio.dtype == np.float32
    np.testing.assert_allclose(audio, samples.mean(axis=1), atol=tolerance)


def test_float_files_beyond_full_scale_are_kept(tmp_path):
    audio = files.load(write(tmp_path / "a.wav", np.array([1.5, -3.0, 0.25]), subtype="FLOAT"))
    np.testing.assert_array_equal(audio, np.float32([1.5, -3.0, 0.25]))


@pytest.mark.parametrize("rate_hz", [8000, 11025, 22050, 44100, 48000, 96000])
def test_other_rates_are_resampled(tmp_path, rate_hz):
    t = np.arange(rate_hz) / rate_hz
    audio = files.load(write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 440 * t), rate_hz))
    assert audio.shape == (files.SAMPLE_RATE_HZ,)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(files.SAMPLE_RATE_HZ) / 16000)
    np.testing.assert_allclose(audio[1000:-1000], expected[1000:-1000], atol=1e-3)


def test_frequencies_above_8_khz_do_not_fold_back(tmp_path):
    t = np.arange(44100) / 44100
    audio = files.load(write(tmp_path / "a.wav", np.sin(2 * np.pi * 12000 * t) / 2, 44100))
    assert np.abs(audio[1000:-1000]).max() < 1e-3


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100, 48000, 192000])
@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_shortest_files(tmp_path, rate_hz, length):
    audio = files.load(write(tmp_path / "a.wav", np.full(length, 0.5), rate_hz))
    assert len(audio) >= 1
    assert abs(len(audio) - length * 16000 / rate_hz) < 1
    assert np.isfinite(audio).all()


def test_each_refusal_has_its_own_reason(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("not a sound" * 100)
    (tmp_path / "samples.raw").write_bytes(b"1234")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "song.mid").write_bytes(b"MThd\0\0\0\6\0\0\0\1\1\xe0")
    write(tmp_path / "none.wav", np.zeros(0))
    write(tmp_path / "nan.wav", np.array([0, np.nan, 0]), subtype="FLOAT")
    write(tmp_path / "inf.wav", np.array([0, np.inf, 0]), subtype="FLOAT")
    reasons = {
        "missing.wav": "does not exist",
        "empty.wav": "is an empty file",
        "none.wav": "holds no samples",
        "text.wav": "is not a sound file",
        "song.mid": "is a MIDI file, not a sound: wavenet-ae perform",
        "samples.raw": "has no header",
        "folder.wav": "is a folder",
        "nan.wav": "NaN or infinite",
        "inf.wav": "NaN or infinite",
    }
    for name, reason in reasons.items():
        with pytest.raises(files.AudioFileError, match=reason) as caught:
            files.load(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert isinstance(caught.value, UserError)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path):
    path = write(tmp_path / "a.wav", np.zeros(10))
    path.chmod(0)
    with pytest.raises(files.AudioFileError, match="cannot be read: Permission denied"):
        files.load(path)


def test_save_and_load_are_exact_for_16_bit_values(tmp_path):
    audio = np.arange(-32768, 32768).astype(np.float32) / 32768
    files.save(tmp_path / "new" / "a.wav", audio)
    np.testing.assert_array_equal(files.load(tmp_path / "new" / "a.wav"), audio)
    info = soundfile.info(tmp_path / "new" / "a.wav")
    assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.wav"]


def test_save_rounds_to_nearest_and_clips(tmp_path):
    audio = np.array([0.4, 0.6, -0.4, -0.6, 32767.4, 32768, 99999, -32768.6, -99999]) / 32768
    files.save(tmp_path / "a.wav", audio)
    written, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert written.tolist() == [0, 1, 0, -1, 32767, 32767, 32767, -32768, -32768]


@pytest.mark.parametrize(
    "audio", [np.zeros((2, 3)), np.zeros(3, np.int16), np.array([0, np.nan]), np.array([np.inf])]
)
def test_save_refuses_what_is_not_sound(tmp_path, audio):
    with pytest.raises(ValueError, match=r"float \[samples\]|NaN"):
        files.save(tmp_path / "a.wav", audio)
    assert list(tmp_path.iterdir()) == []


def test_saved_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "ordinary").touch()
    files.save(tmp_path / "a.wav", np.zeros(1))
    assert (tmp_path / "a.wav").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_writer_joins_chunks(tmp_path):
    audio = noise(1000)
    with files.Writer(tmp_path / "a.wav") as writer:
        writer.write(audio[:1])
        writer.write(audio[1:1])
        writer.write(audio[1:])
        assert not (tmp_path / "a.wav").exists()
    files.save(tmp_path / "b.wav", audio)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_writer_leaves_nothing_after_an_exception(tmp_path, error):
    files.save(tmp_path / "old.wav", np.full(3, 0.5))

    def write_and_fail(name):
        with files.Writer(tmp_path / name) as writer:
            writer.write(noise(100))
            raise error

    for name in ("old.wav", "new.wav"):
        with pytest.raises(error):
            write_and_fail(name)
    assert [path.name for path in tmp_path.iterdir()] == ["old.wav"]
    np.testing.assert_array_equal(files.load(tmp_path / "old.wav"), np.full(3, 0.5))


def test_failure_to_write_names_the_file_and_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"a\.wav cannot be written \(.*\): a part of its path is"):
        files.save(tmp_path / "file" / "a.wav", np.zeros(3))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    for kind, method in ((Path, "open"), (wave.Wave_write, "writeframesraw")):
        with monkeypatch.context() as patch:
            patch.setattr(kind, method, full)
            with pytest.raises(MachineError, match=r"a\.wav .*No space left .*: free some space"):
                files.save(tmp_path / "a.wav", np.zeros(3))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("samples", [10, 100_000])  # less and more than a buffer holds
def test_a_limit_of_the_system_leaves_the_older_file(tmp_path, samples):
    files.save(tmp_path / "a.wav", np.full(3, 0.5))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
    try:
        with pytest.raises(UserError, match=r"a\.wav cannot be written \(File too large\)"):
            files.save(tmp_path / "a.wav", np.zeros(samples))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    np.testing.assert_array_equal(files.load(tmp_path / "a.wav"), np.full(3, 0.5))


def test_a_written_file_is_what_libsndfile_writes(tmp_path):
    audio = noise(999)
    files.save(tmp_path / "a.wav", audio)
    levels = np.rint(audio * 32768).astype(np.int16)
    soundfile.write(tmp_path / "b.wav", levels, 16_000)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_name_of_greatest_length_can_be_saved(tmp_path):
    path = tmp_path / ("a" * 251 + ".wav")
    files.save(path, np.zeros(3))
    assert path.exists()


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def stems(sources, root):
    return {source.path.relative_to(root).as_posix(): source.stem for source in sources}


def test_find_searches_folders_and_keeps_their_structure(tmp_path):
    touch(tmp_path, "b.WAV", "a.flac", "sub/deep/c.aiff", "sub/take.2.ogg", "notes.txt", "wav")
    touch(tmp_path, ".hidden.wav", ".cache/d.wav", "sub/.hidden/e.wav")
    (tmp_path / "folder.wav").mkdir()
    found = files.find([tmp_path])
    assert list(stems(found, tmp_path).items()) == [
        ("a.flac", "a"),
        ("b.WAV", "b"),
        ("sub/deep/c.aiff", "sub/deep/c"),
        ("sub/take.2.ogg", "sub/take.2"),
    ]
    assert files.find([str(tmp_path)]) == found


def test_find_takes_a_given_file_whatever_its_suffix(tmp_path):
    touch(tmp_path, "sub/sound.strange", "plain")
    found = files.find([tmp_path / "sub" / "sound.strange", tmp_path / "plain"])
    assert [source.stem for source in found] == ["sound", "plain"]


def test_find_looks_for_other_kinds(tmp_path):
    touch(tmp_path, "a.npz", "b.NPZ", "c.wav")
    assert [s.stem for s in files.find([tmp_path], suffixes=[".npz"])] == ["a", "b"]


def test_find_gives_every_file_its_own_stem(tmp_path):
    touch(tmp_path, "x.flac", "x.wav", "x_2.wav", "sub/x.wav", "X.ogg", "x_2.aif")
    assert stems(files.find([tmp_path]), tmp_path) == {
        "X.ogg": "X",
        "sub/x.wav": "sub/x",
        "x.flac": "x_3",
        "x.wav": "x_4",
        "x_2.aif": "x_2",
        "x_2.wav": "x_2_2",
    }


def test_find_distinguishes_files_of_one_name(tmp_path):
    touch(tmp_path, "a/x.wav", "b/x.wav", "c/x_2.wav", "c/x.wav")
    found = files.find([tmp_path / "a" / "x.wav", tmp_path / "b" / "x.wav", tmp_path / "c"])
    assert stems(found, tmp_path) == {
        "a/x.wav": "x",
        "b/x.wav": "x_3",
        "c/x.wav": "x_4",
        "c/x_2.wav": "x_2",
    }


def test_find_does_not_rely_on_letter_case(tmp_path):
    touch(tmp_path, "a/x.wav", "b/X.wav")
    found = files.find([tmp_path / "a" / "x.wav", tmp_path / "b" / "X.wav"])
    assert [source.stem for source in found] == ["x", "X_2"]


def test_find_lists_a_file_once(tmp_path):
    touch(tmp_path, "x.wav", "y.wav")
    found = files.find([tmp_path / "x.wav", tmp_path, tmp_path])
    assert [source.stem for source in found] == ["x", "y"]


def test_find_refuses_inputs_that_stand_for_nothing(tmp_path):
    touch(tmp_path, "text.txt")
    with pytest.raises(UserError, match=r"missing.wav does not exist"):
        files.find([tmp_path / "missing.wav"])
    with pytest.raises(UserError, match=r"holds no files of these kinds: WAV, FLAC"):
        files.find([tmp_path])
    with pytest.raises(UserError, match="no input"):
        files.find([])


def test_find_lists_every_format_of_sound_and_counts_the_rest(tmp_path, capsys):
    sounds = ("a.opus", "b.AIFC", "c.w64", "d.caf", "e.wave", "f.oga", "g.m4a", "h.wv", "i.wma")
    touch(tmp_path, *sounds, "sub/notes.txt", "README", ".hidden.txt")
    assert sorted(stems(files.find([tmp_path]), tmp_path)) == sorted(sounds)
    assert capsys.readouterr().err == f"{tmp_path}: skipped 2 other files (.txt, README)\n"
    files.find([tmp_path], quiet=True)
    files.find([tmp_path / "a.opus"])
    assert capsys.readouterr().err == ""


def test_find_follows_links_once(tmp_path):
    touch(tmp_path, "elsewhere/x.wav", "sounds/y.wav")
    (tmp_path / "sounds" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "sounds" / "round").symlink_to(tmp_path / "sounds")
    (tmp_path / "sounds" / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    found = stems(files.find([tmp_path / "sounds"]), tmp_path / "sounds")
    assert found == {"gone.wav": "gone", "linked/x.wav": "linked/x", "y.wav": "y"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_find_names_a_folder_that_cannot_be_read(tmp_path):
    touch(tmp_path, "x.wav", "sub/y.wav")
    (tmp_path / "sub").chmod(0)
    with pytest.raises(UserError, match="sub cannot be read: Permission denied"):
        files.find([tmp_path])


def test_channels_that_cancel_each_other_are_reported(tmp_path, capsys):
    x = noise(1000)
    assert not files.load(write(tmp_path / "a.wav", np.stack([x, -x], 1), subtype="FLOAT")).any()
    files.load(write(tmp_path / "b.wav", np.stack([x, -0.95 * x], 1)))
    files.load(write(tmp_path / "c.wav", np.stack([x, -0.5 * x], 1)))
    files.load(write(tmp_path / "d.wav", np.zeros((1000, 2))))
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"{tmp_path}/{it}.wav" for it in "ab"]
    assert "cancel each other out" in lines[0]


def test_a_rate_that_no_sound_has_is_refused(tmp_path):
    with pytest.raises(files.AudioFileError, match=r"a\.wav has an impossible sample rate, 3 Hz"):
        files.load(write(tmp_path / "a.wav", noise(10), 3))
