import entry_points
import numpy as np
import pytest
import soundfile

from wavenet_ae.audio import files
from wavenet_ae.synthesis import codec
from wavenet_ae.synthesis.encode_files import encode_files
from wavenet_ae.synthesis.generate_files import generate_files, read_sounds
from wavenet_ae.training.trained import load_trained

HOP = 64  # of the tiny model


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A folder of good files of many formats, and of bad ones."""
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)

    def write(name, samples, rate=16_000, channels=1, **settings):
        audio = rng.uniform(-0.5, 0.5, (samples, channels))
        (folder / name).parent.mkdir(exist_ok=True)
        soundfile.write(folder / name, audio, rate, **settings)

    write("one.wav", 1)
    write("tone.wav", 1000, subtype="PCM_24")
    write("tone.flac", 300)
    write("sub/stereo.aiff", 4410, rate=44_100, channels=2)
    write("sub/float.wav", 333, subtype="FLOAT")
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("no sound")
    soundfile.write(folder / "nan.wav", np.full(10, np.nan), 16_000, subtype="FLOAT")
    return folder


def lengths(folder):
    return {
        path.relative_to(folder).as_posix(): soundfile.info(path).frames
        for path in folder.rglob("*.wav")
    }


EXPECTED = {
    "one.wav": 1,
    "tone.wav": 300,
    "tone_2.wav": 1000,
    "sub/stereo.wav": 1600,
    "sub/float.wav": 333,
}


def test_encode_writes_one_embedding_a_sound_and_names_what_it_refuses(tiny_run, sounds, tmp_path):
    result = entry_points.run(
        "encode", f"--checkpoint={tiny_run}", f"--input={sounds}", f"--output={tmp_path}"
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    for name, reason in (
        ("empty.wav", "is an empty file"),
        ("text.wav", "is not a sound file"),
        ("nan.wav", "NaN"),
    ):
        assert any(name in line and reason in line for line in result.stderr.splitlines())
    assert "5 embeddings in" in result.stdout
    found = {}
    for path in tmp_path.rglob("*.npz"):
        with np.load(path) as arrays:
            fields = dict(arrays)
        frames = -(-fields["num_samples"] // HOP)
        assert fields["embedding"].shape == (frames, 3)
        assert np.isfinite(fields["embedding"]).all()
        assert fields["sample_rate"] == 16_000
        assert fields["hop_length"] == HOP
        assert len(str(fields["fingerprint"])) == 16
        assert (sounds / str(fields["source"])).name
        name = path.relative_to(tmp_path).with_suffix(".wav").as_posix()
        found[name] = int(fields["num_samples"])
    assert found == EXPECTED


def test_generate_from_sounds_and_again(tiny_run, sounds, tmp_path):
    flags = (f"--checkpoint={tiny_run}", f"--input={sounds}", f"--output={tmp_path}")
    first = entry_points.run("generate", *flags, "--batch_size=2")
    assert first.returncode == 1  # three files were refused
    assert first.stderr.count("refused: ") == 3
    assert lengths(tmp_path) == EXPECTED
    contents = {path: path.read_bytes() for path in tmp_path.rglob("*.wav")}
    assert len(set(contents.values())) == len(contents)

    # A second call leaves what is there, makes what is missing, and makes it the same.
    kept, lost = tmp_path / "one.wav", tmp_path / "tone.wav"
    before = kept.stat().st_mtime_ns
    lost.unlink()
    second = entry_points.run("generate", *flags, "--batch_size=5")
    assert "4 of 5 sounds are in" in second.stdout
    assert kept.stat().st_mtime_ns == before
    assert lost.read_bytes() == contents[lost]

    # Other settings would make other sounds of the same names.
    third = entry_points.run("generate", *flags, "--seed=1")
    assert third.returncode == 1
    assert "made from something else or with other settings: write to another fold" in third.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.wav")} == contents


def contents(folder, suffix):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob(f"*{suffix}")}


def test_two_processes_write_the_files_of_one(tiny_run, sounds, tmp_path, capsys):
    model, sources = codec.create(load_trained(tiny_run)), files.find([sounds])
    jobs, _ = read_sounds(model, sources, None)
    one, two = tmp_path / "one", tmp_path / "two"
    flags = (f"--checkpoint={tiny_run}", f"--input={sounds}", f"--output={two}")

    encode_files(model, sources, one)
    ours = entry_points.run_two("encode", flags, flags, code=1)  # both meet files to refuse
    assert contents(two, ".npz") == contents(one, ".npz")
    assert [result.stderr.count("refused: ") for result in ours] == [1, 2]
    assert [f"process {i}: {n} embeddings in" in ours[i].stdout for i, n in enumerate((3, 2))]

    settings = {"batch_size": 2, "num_sounds": len(sources)}
    generate_files(model, jobs, one, **settings)
    # One process begins, two go on, and one of them makes what has got lost.
    generate_files(model, jobs[:2], two, **settings)
    kept = {path: path.stat().st_mtime_ns for path in two.rglob("*.wav")}
    assert len(kept) == 2
    ours = entry_points.run_two("generate", *[(*flags, "--batch_size=2")] * 2, code=1)
    assert contents(two, ".wav") == contents(one, ".wav")
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert all("1 of " in result.stdout for result in ours)
    assert "generating" in ours[0].stderr
    assert "generating" not in ours[1].stderr
    (two / "tone.wav").unlink()
    capsys.readouterr()
    generate_files(model, jobs, two, **settings)
    assert "4 of 5 sounds are in" in capsys.readouterr().out
    assert contents(two, ".wav") == contents(one, ".wav")


def test_a_blend_is_left_to_the_first_process(tiny_run, sounds, tmp_path):
    inputs = (f"--input={sounds / 'one.wav'}", f"--input={sounds / 'tone.wav'}")
    flags = (f"--checkpoint={tiny_run}", *inputs, "--blend=0.5,0.5", f"--output={tmp_path}")
    results = entry_points.run_two("generate", flags, flags)
    assert list(lengths(tmp_path)) == ["one_0.5_tone_0.5.wav"]
    assert "left to process 0" in results[1].stdout


def test_generate_from_embeddings_blends_and_stretches(tiny_run, sounds, tmp_path):
    checkpoint = f"--checkpoint={tiny_run}"
    good = [f"--input={sounds / name}" for name in ("tone.wav", "tone.flac")]
    encoded, output = tmp_path / "encoded", tmp_path / "output"
    assert entry_points.run("encode", checkpoint, *good, f"--output={encoded}").returncode == 0
    run = (checkpoint, f"--input={encoded}", f"--output={output}")

    assert entry_points.run("generate", *run).returncode == 0
    assert lengths(output) == {"tone.wav": 1000, "tone_2.wav": 300}

    result = entry_points.run("generate", *run, "--blend=0.25,0.75", "--stretch=2")
    assert result.returncode == 0, result.stderr
    assert lengths(output)["tone_0.25_tone_2_0.75.wav"] == 2 * 300

    result = entry_points.run(
        "generate", checkpoint, *good, good[0], "--blend=1,0,0", f"--output={tmp_path / 'blend'}"
    )
    assert result.returncode == 0
    assert list(lengths(tmp_path / "blend").values()) == [300]


def test_generate_blends_along_the_arc(tiny_run, tmp_path):
    for name, axis in (("a", 0), ("b", 1)):
        np.savez(tmp_path / f"{name}.npz", embedding=np.tile(2 * np.eye(3)[axis], (4, 1)))
    middle = np.tile([2**0.5, 2**0.5, 0], (4, 1))
    np.savez(tmp_path / "a_0.5_b_0.5_spherical.npz", embedding=middle)
    run = (f"--checkpoint={tiny_run}", f"--output={tmp_path}", "--temperature=0")
    ends = (f"--input={tmp_path / 'a.npz'}", f"--input={tmp_path / 'b.npz'}", "--blend=0.5,0.5")
    result = entry_points.run("generate", *run, *ends, "--interpolation=spherical")
    assert result.returncode == 0, result.stderr
    arc = (tmp_path / "a_0.5_b_0.5_spherical.wav").read_bytes()
    assert entry_points.run("generate", *run, *ends).returncode == 0
    assert (tmp_path / "a_0.5_b_0.5.wav").read_bytes() != arc
    expected = f"--input={tmp_path / 'a_0.5_b_0.5_spherical.npz'}"
    again = entry_points.run("generate", run[0], expected, run[2], f"--output={tmp_path / 'again'}")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again" / "a_0.5_b_0.5_spherical.wav").read_bytes() == arc


def test_inputs_are_never_replaced_and_results_are_no_inputs(tiny_run, sounds, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    original = (sounds / "tone.wav").read_bytes()
    (folder / "tone.wav").write_bytes(original)
    run = (f"--checkpoint={tiny_run}", f"--input={folder}")

    result = entry_points.run("generate", *run, f"--output={folder}")
    assert result.returncode == 1
    assert "holds tone.wav, not written by this tool" in result.stderr
    assert (folder / "tone.wav").read_bytes() == original

    for _ in range(2):
        assert entry_points.run("generate", *run, f"--output={folder / 'out'}").returncode == 0
    assert lengths(folder) == {"tone.wav": 1000, "out/tone.wav": 1000}


def test_home_is_expanded_and_long_names_work(tiny_run, sounds, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    name = "n" * 245
    (tmp_path / f"{name}.wav").write_bytes((sounds / "one.wav").read_bytes())
    result = entry_points.run(
        "encode", f"--checkpoint={tiny_run}", f"--input=~/{name}.wav", "--output=~/encoded"
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "encoded" / f"{name}.npz").exists()


def test_temperature_zero_is_the_same_for_every_seed(tiny_run, sounds, tmp_path):
    for seed in (1, 2):
        result = entry_points.run(
            "generate",
            f"--checkpoint={tiny_run}",
            f"--input={sounds / 'tone.wav'}",
            f"--output={tmp_path / str(seed)}",
            "--temperature=0",
            f"--seed={seed}",
        )
        assert result.returncode == 0
    first, second = (files.load(tmp_path / str(seed) / "tone.wav") for seed in (1, 2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("name", "flags", "reason"),
    [
        ("encode", ["--checkpoint={tmp}", "--input={sounds}"], "is not a training run"),
        ("encode", ["--checkpoint={run}", "--input={tmp}/missing"], "missing does not exist"),
        ("encode", ["--checkpoint={run}", "--input={tmp}"], "holds no files of these kinds"),
        ("generate", ["--checkpoint={run}", "--input={tmp}"], "holds no files of these kinds"),
        (
            "generate",
            ["--checkpoint={run}", "--input={sounds}/tone.wav", "--blend=1,2"],
            "2 weights for 1 input: give one for each",
        ),
        (
            "generate",
            ["--checkpoint={run}", "--input={sounds}/tone.wav", "--blend=loud"],
            "--blend=loud must be numbers",
        ),
        (
            "generate",
            ["--checkpoint={run}", "--input={sounds}/tone.wav", "--interpolation=spherical"],
            "--interpolation=spherical applies to --blend",
        ),
        (
            "generate",
            [
                "--checkpoint={run}",
                "--input={sounds}/tone.wav",
                "--input={sounds}/tone.flac",
                "--blend=1.5,-0.5",
                "--interpolation=spherical",
            ],
            "--interpolation=spherical takes two inputs and two weights",
        ),
        (
            "generate",
            ["--checkpoint={run}", "--input={sounds}/text.wav", "--blend=1"],
            "nothing was blended",
        ),
        (
            "generate",
            ["--checkpoint={run}", "--input={sounds}/tone.wav", "--stretch=0"],
            "--stretch=0 is not a number in the range [0.01, 100.0]",
        ),
        (
            "generate",
            ["--checkpoint={run}", "--input={sounds}/tone.wav", "--temperature=-1"],
            "temperature",
        ),
        ("generate", ["--checkpoint={run}"], "no input is given: name one"),
        (
            "generate",
            ["--checkpoint={run}", "--input={sounds}/tone.wav", "--temperature=nan"],
            "--temperature=nan must be a finite number",
        ),
        (
            "generate",
            ["--checkpoint={run}", "--input={sounds}/tone.wav", "--seed=99999999999999"],
            "seed",
        ),
    ],
)
def test_mistakes_get_one_sentence(tiny_run, sounds, tmp_path, name, flags, reason):
    filled = [flag.format(run=tiny_run, sounds=sounds, tmp=tmp_path) for flag in flags]
    result = entry_points.run(name, *filled, f"--output={tmp_path / 'out'}")
    assert result.returncode != 0
    assert reason in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()
