import itertools
import json
import shutil
from pathlib import Path

import entry_points
import jax
import numpy as np
import pytest
import soundfile
from conftest import DUMMY_NOTES
from entry_points import assert_refused
from html_page import Page, wav

from wavenet_ae import tasks
from wavenet_ae.audio import files
from wavenet_ae.data import nsynth
from wavenet_ae.evaluation import interpolation, interpolation_pairs, interpolation_scores
from wavenet_ae.evaluation.interpolation import write_interpolation
from wavenet_ae.evaluation.interpolation_pairs import End, Pair, two_paths
from wavenet_ae.evaluation.interpolation_scores import InterpolatedPair
from wavenet_ae.publish import pictures
from wavenet_ae.synthesis import embeddings, generate_files
from wavenet_ae.synthesis.encode_files import encode_sound
from wavenet_ae.system.errors import UserError
from wavenet_ae.training import trained

LONG, SHORT = 1000, 700
QUICK = {"griffin_lim_iterations": 1}


WIDTHS = {
    "narrow_channels": 2,
    "middle_channels": 4,
    "wide_channels": 4,
    "bottleneck_channels": 8,
}


def save_untrained(workdir, data_dir, task, **model):
    config = {
        "task": task,
        "model": WIDTHS | model,
        "dataset": {"name": "nsynth_json/by_note", "data_dir": str(data_dir)},
    }
    weights = jax.jit(tasks.create(config).init)(jax.random.key(0))
    trained.save_imported(workdir, config, *weights, step=7)
    return workdir


@pytest.fixture(scope="module")
def spectral_run(tmp_path_factory, data_dir):
    """The workdir of a small spectral autoencoder, conditioned on pitch and not trained."""
    workdir = tmp_path_factory.mktemp("spectral") / "run"
    sizes = {"embedding_size": 5, "pitch_embedding_size": 3}
    return save_untrained(workdir, data_dir, "spectral", **sizes)


@pytest.fixture(scope="module")
def classifier_run(tmp_path_factory, data_dir):
    """The workdir of a small classifier that was not trained."""
    workdir = tmp_path_factory.mktemp("classifier") / "run"
    return save_untrained(workdir, data_dir, "classifier")


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Two sounds of different lengths; their names tell different pitches."""
    folder = tmp_path_factory.mktemp("sounds")
    for name, num_samples in (("a-060-100", LONG), ("b & <c>-072-100", SHORT)):
        hz = 440 if num_samples == LONG else 880
        audio = 0.5 * np.sin(2 * np.pi * hz * np.arange(num_samples) / 16_000)
        files.save(folder / f"{name}.wav", audio)
    return folder


@pytest.fixture(scope="module")
def pair_flag(sounds):
    return ",".join(str(path) for path in sorted(sounds.iterdir()))


@pytest.fixture(scope="module")
def models(tiny_run, spectral_run):
    folders = {"wavenet": tiny_run, "spectral": spectral_run}
    return interpolation.load_models(folders, {"spectral": QUICK})


@pytest.fixture(scope="module")
def pairs(pair_flag):
    return interpolation_pairs.read_pairs([two_paths(pair_flag)], track_pitch=True)


@pytest.fixture(scope="module")
def output(models, pairs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("between")
    same = Pair(pairs[0].first, pairs[0].first)
    path = write_interpolation(models, [*pairs, same], folder, num_weights=len(WEIGHTS))
    assert path == folder / "report.html"
    return folder


@pytest.fixture
def generated(monkeypatch):
    """What is asked of `generate_files`, by the folder's name; nothing is generated or drawn."""
    seen = {}

    def generate(codec, jobs, folder, **settings):
        seen[folder.name], seen["settings"] = jobs, settings
        for job in jobs:
            files.save(folder / f"{job.name}.wav", np.zeros(job.sound.num_samples))

    monkeypatch.setattr(interpolation, "generate_files", generate)
    monkeypatch.setattr(pictures, "draw_rainbowgram", lambda *_: "")
    return seen


WEIGHTS = [0, 0.5, 1]
NAME = "01_a-060-100_b____c_-072-100"
NAMES = [f"{NAME}_{weight}" for weight in ("0.000", "0.500", "1.000")]


def read(folder, names=NAMES):
    return [files.load(folder / f"{name}.wav") for name in names]


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_mixes_are_weighted_sums_of_the_longer_length(output, pairs):
    first, second = (end.audio for end in pairs[0])
    assert (len(first), len(second)) == (LONG, SHORT)
    second = np.pad(second, (0, LONG - SHORT))
    for weight, mix in zip(WEIGHTS, read(output / "mix"), strict=True):
        np.testing.assert_allclose(mix, (1 - weight) * first + weight * second, atol=1 / 32768)
    originals = read(output / "original", [f"{NAME}_first", f"{NAME}_second"])
    np.testing.assert_array_equal(originals[0], first)
    np.testing.assert_array_equal(originals[1], second[:SHORT])


def test_every_model_has_a_sound_for_every_weight(output):
    for task in ("wavenet", "spectral"):
        made = read(output / task)
        assert {len(sound) for sound in made} == {LONG}
        assert all(np.abs(sound).max() > 0 for sound in made)
        assert len({sound.tobytes() for sound in made}) == len(WEIGHTS)
    same = "02_a-060-100_a-060-100"
    mixes = read(output / "mix", [f"{same}_0.000", f"{same}_0.500"])
    np.testing.assert_array_equal(*mixes)


@pytest.mark.parametrize("kind", embeddings.INTERPOLATIONS)
def test_embeddings_and_pitches_on_the_way(models, pairs, generated, tmp_path, kind):
    write_interpolation(models, pairs, tmp_path, interpolation=kind)
    for task, model in models.items():
        ends = [
            encode_sound(model, np.pad(end.audio, (0, LONG - len(end.audio))), source=end.name)
            for end in pairs[0]
        ]
        jobs = generated[task]
        numbers = ("0.000", "0.250", "0.500", "0.750", "1.000")
        assert [job.name for job in jobs] == [f"{NAME}_{number}" for number in numbers]
        assert [job.sound.pitch for job in jobs] == [60, 60, 72, 72, 72]
        assert {job.sound.num_samples for job in jobs} == {LONG}
        for weight, job in zip((0, 0.25, 0.5, 0.75, 1), jobs, strict=True):
            expected = embeddings.interpolate(*ends, weight, kind).embedding
            np.testing.assert_array_equal(job.sound.embedding, expected)


@pytest.mark.parametrize(
    ("pitches", "given", "told"),
    [((60, 60), None, [60, 60]), ((60, 72), 64, [64, 64]), ((-1, -1), 64, [64, 64])],
)
def test_one_pitch_for_all(models, pairs, generated, tmp_path, pitches, given, told):
    ends = [end._replace(pitch=p) for end, p in zip(pairs[0], pitches, strict=True)]
    write_interpolation(models, [Pair(*ends)], tmp_path, num_weights=2, pitch=given)
    assert [job.sound.pitch for job in generated["spectral"]] == told
    text = Page((tmp_path / "report.html").read_text()).text
    assert ("one pitch for all sounds, E4 (MIDI 64)" in text) == (given is not None)
    assert ("Pitch given: C4 (MIDI 60)." in text) == (given is None)


def test_the_middle_of_odd_numbers_is_the_mean(models, pairs, generated, tmp_path):
    wavenet = {"wavenet": models["wavenet"]}
    for number in (2, 3, 99):
        folder, settings = tmp_path / str(number), {"seed": number, "batch_size": 3}
        write_interpolation(wavenet, pairs, folder, num_weights=number, **settings)
        assert generated["settings"] == settings
        jobs = generated["wavenet"]
        assert len({job.name for job in jobs}) == len(jobs) == number
        if number % 2:
            ends = jobs[0].sound.embedding, jobs[-1].sound.embedding
            middle = jobs[number // 2]
            assert middle.name.endswith("_0.500")
            np.testing.assert_array_equal(middle.sound.embedding, sum(ends) / 2)


def test_page_holds_the_grid_of_sounds(output, models):
    shown = Page((output / "report.html").read_text())
    heard = [(player["aria-label"], wav(player["src"])) for player in shown.all("audio")]
    assert len(heard) == 2 * (2 + 3 * 3)
    originals, grid = heard[:2], heard[2:11]
    assert [label for label, _ in originals] == [
        "first: a-060-100.wav",
        "second: b & <c>-072-100.wav",
    ]
    expected = []
    for folder, row in (("mix", "mix"), ("wavenet", "WaveNet"), ("spectral", "spectral")):
        for name, percent in zip(NAMES, (0, 50, 100), strict=True):
            content = (output / folder / f"{name}.wav").read_bytes()
            expected.append((f"{row}, {percent} %", content))
    assert grid == expected
    columns = [div["style"] for div in shown.all("div") if div["class"] == "players"]
    assert columns == ["--columns: 2", "--columns: 3"] * 2

    ids = [attributes["id"] for _, attributes in shown.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert len(shown.all("svg")) == len(heard)
    assert "http" not in (output / "report.html").read_text()

    assert "two instruments that play at once" in shown.text
    assert "The second sound is followed by 0.019 s of silence" in shown.text
    assert "Pitch given: C4 (MIDI 60), from 50 % on C5 (MIDI 72)." in shown.text
    assert "griffin lim iterations 1" in shown.text
    assert "3 numbers for 4 ms" in shown.text
    for model in models.values():
        assert model.trained.fingerprint in shown.text


def test_record_names_settings_checkpoints_and_files(output, tiny_run, spectral_run, sounds):
    record = json.loads((output / "interpolation.json").read_text())
    assert record["settings"] == {
        "interpolation": "linear",
        "pitch": None,
        "seed": 0,
        "weights": WEIGHTS,
    }
    wavenet, spectral = (record["models"][task] for task in ("wavenet", "spectral"))
    assert (wavenet["folder"], wavenet["step"]) == (str(tiny_run), 4)
    assert (spectral["folder"], spectral["step"]) == (str(spectral_run), 7)
    assert spectral["fingerprint"] == trained.load_trained(spectral_run).fingerprint
    assert (wavenet["num_pitches"], spectral["num_pitches"]) == (0, 128)
    assert wavenet["settings"] == {"temperature": 1.0}
    pair = record["pairs"][0]
    assert pair["first"]["source"] == str(sounds / "a-060-100.wav")
    assert (pair["num_samples"], pair["second"]["num_samples"]) == (LONG, SHORT)
    assert pair["pitches"] == [60, 72, 72]
    listed = []
    for pair in record["pairs"]:
        listed += [pair["first"]["original"], pair["second"]["original"]]
        listed += itertools.chain(*pair["sounds"].values())
    there = {path.relative_to(output).as_posix() for path in output.rglob("*.wav")}
    assert set(listed) == there
    assert len(listed) == len(there) == 2 * (2 + 3 * 3)


def test_an_interrupted_call_goes_on(output, models, pairs, monkeypatch):
    before, batches = contents(output), []
    generate_batch = generate_files._generate_batch

    def generate(codec, batch, *rest):
        batches.append([job.name for job in batch])
        return generate_batch(codec, batch, *rest)

    monkeypatch.setattr(generate_files, "_generate_batch", generate)
    (output / "wavenet" / f"{NAMES[1]}.wav").unlink()
    (output / "report.html").unlink()
    both = [*pairs, Pair(pairs[0].first, pairs[0].first)]
    write_interpolation(models, both, output, num_weights=len(WEIGHTS))
    assert batches == [[NAMES[1]]]
    assert contents(output) == before


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        ({}, {"num_weights": 1}, "--num_weights=1 must be from 2, both ends, to 101"),
        ({}, {"num_weights": 102}, "--num_weights=102 must be"),
        ({"pitch": -1}, {}, r"the pitch of b & <c>-072-100\.wav is not known"),
        ({"pitch": 128}, {}, r"the model knows the pitches 0\.\.127, not 128"),
        ({}, {"pitch": 200}, r"the model knows the pitches 0\.\.127, not 200"),
    ],
)
def test_what_is_refused_leaves_nothing(models, pairs, tmp_path, change, settings, message):
    first, second = pairs[0]
    changed = [pairs[0], Pair(first, second._replace(**change))]
    with pytest.raises(UserError, match=message):
        write_interpolation(models, changed, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_notes_are_chosen_from_the_runs_dataset(models, tmp_path, generated, capsys):
    chosen = interpolation_pairs.choose_notes(
        models["wavenet"], dataset=None, data_dir=None, split="train", num_pairs=9
    )
    assert "pairs in the split train: 6, fewer than --num_pairs=9" in capsys.readouterr().out
    assert len(chosen) == 6
    first, second = chosen[0]
    assert first.source.instrument != second.source.instrument
    assert first.pitch == second.pitch == first.source.pitch
    expected, _ = soundfile.read(DUMMY_NOTES / "audio" / f"{first.name}.wav", dtype="float32")
    np.testing.assert_array_equal(first.audio, expected)

    short = Pair(*(end._replace(audio=end.audio[:SHORT]) for end in chosen[0]))
    write_interpolation({"wavenet": models["wavenet"]}, [short], tmp_path, num_weights=2)
    text = Page((tmp_path / "report.html").read_text()).text
    assert f"{second.name} of nsynth_json/by_note:train" in text
    assert f"From {first.source.family}, {first.source.source}, " in text
    assert "Pitch given" not in text
    assert "peak" not in text.split("What to listen for")[1].split("model steps")[0]
    record = json.loads((tmp_path / "interpolation.json").read_text())
    assert record["pairs"][0]["first"]["source"] == first.name
    assert record["pairs"][0]["first"]["split"] == "nsynth_json/by_note:train"


def test_a_classifiers_answers_are_counted_by_row_and_weight(monkeypatch, tmp_path):
    """Its stand-in names the first sample as the pitch and the second one as the family."""

    class StandIn:
        def __init__(self, trained):
            pass

        def __call__(self, audio, labels):
            pitch, family = (np.round(audio[:, :2] * 256)).T
            return {
                "pitch_accuracy": (pitch == labels["pitch"]).astype(np.float32),
                "family_accuracy": (family == labels["family"]).astype(np.float32),
            }

    def sound(name, pitch, family):
        path = tmp_path / f"{name}.wav"
        files.save(path, np.array([pitch, nsynth.FAMILIES.index(family), 0]) / 256)
        return path

    monkeypatch.setattr(interpolation_scores, "Scorer", StandIn)
    pairs = [
        InterpolatedPair(
            ("flute", "bass"),
            [60, 61],
            {"mix": [sound("a", 60, "flute"), sound("b", 60, "bass")]},
        ),
        InterpolatedPair(
            ("brass", "organ"),
            [50, 50],
            {"mix": [sound("c", 50, "organ"), sound("d", 50, "organ")]},
        ),
    ]
    named = interpolation_scores.classify(None, pairs, seed=0)["mix"]
    means = {what: [share["mean"] for share in shares] for what, shares in named.items()}
    assert means == {"pitch": [1, 0.5], "first_family": [0.5, 0], "second_family": [0.5, 1]}
    assert (named["pitch"][0]["low"], named["pitch"][1]["high"]) == (1, 1)


def test_what_a_classifier_names_is_recorded(models, generated, classifier_run, tmp_path):
    chosen = interpolation_pairs.choose_notes(
        models["wavenet"], dataset=None, data_dir=None, split="train", num_pairs=2
    )
    judge = trained.load_trained(classifier_run, "classifier")
    page = write_interpolation(models, chosen, tmp_path, num_weights=3, classifier=judge)
    record = json.loads((tmp_path / "interpolation.json").read_text())
    assert record["classifier"]["fingerprint"] == judge.fingerprint
    assert list(record["heard"]) == ["mix", "wavenet", "spectral"]
    assert all(len(shares) == 3 for row in record["heard"].values() for shares in row.values())
    text = Page(page.read_text()).text
    assert "A classifier names each sound's pitch and family." in text
    share = record["heard"]["mix"]["first_family"][1]
    assert f"{100 * share['mean']:.0f} ({100 * share['low']:.0f} to" in text


@pytest.mark.parametrize("count", [1, 2])
def test_a_classifier_wants_pairs_of_notes(models, pairs, tmp_path, count):
    with pytest.raises(UserError, match="--classifier needs two pairs or more, of a dataset"):
        write_interpolation(models, pairs * count, tmp_path / "out", classifier=object())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name",
    ["report.html", "interpolation.json", f"mix/{NAME}_0.500.wav", f"original/{NAME}_first.wav"],
)
def test_files_of_others_are_not_replaced(models, pairs, generated, tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(UserError, match=rf"holds {path.name}, not written by this tool"):
        write_interpolation(models, pairs, tmp_path, num_weights=len(WEIGHTS))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]
    assert generated == {}


def test_long_names_and_many_pairs_of_one_name_keep_apart(models, generated, tmp_path):
    end = End(Path("n" * 200 + ".take.wav"), np.zeros(SHORT, np.float32), -1)
    wavenet = {"wavenet": models["wavenet"]}
    write_interpolation(wavenet, [Pair(end, end)] * 2, tmp_path, num_weights=2)
    names = {path.name for path in (tmp_path / "wavenet").iterdir()}
    assert len(names) == 4
    assert max(map(len, names)) < 100


def test_command_line_generates_nothing_twice(output, tiny_run, spectral_run, pair_flag, sounds):
    before = contents(output)
    same = sounds / "a-060-100.wav"
    process = entry_points.run(
        "interpolate",
        f"--wavenet={tiny_run}",
        f"--spectral={spectral_run}",
        f"--pair={pair_flag}",
        f"--pair={same},{same}",
        "--griffin_lim_iterations=1",
        "--num_weights=3",
        f"--output={output}",
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.endswith(f"open {output / 'report.html'} in a browser\n")
    assert process.stdout.count("6 of 6 sounds are in") == 2
    assert contents(output) == before


def test_command_line_takes_all_settings(spectral_run, tmp_path):
    process = entry_points.run(
        "interpolate",
        f"--spectral={spectral_run}",
        "--split=train",
        "--num_pairs=1",
        "--num_weights=2",
        "--interpolation=spherical",
        "--pitch=50",
        "--griffin_lim_iterations=0",
        "--griffin_lim_momentum=0.5",
        "--seed=3",
        "--batch_size=2",
        f"--output={tmp_path / 'out'}",
    )
    assert process.returncode == 0, process.stderr
    record = json.loads((tmp_path / "out" / "interpolation.json").read_text())
    assert record["settings"] == {
        "interpolation": "spherical",
        "pitch": 50,
        "seed": 3,
        "weights": [0, 1],
    }
    expected = {"griffin_lim_iterations": 0, "griffin_lim_momentum": 0.5}
    assert record["models"]["spectral"]["settings"] == expected
    assert list(record["pairs"][0]["sounds"]) == ["mix", "spectral"]
    assert soundfile.info(next(tmp_path.glob("out/spectral/*.wav"))).frames == 64_000


@pytest.mark.parametrize(
    ("folders", "settings", "message"),
    [
        ({}, {}, "there is no model: name a run by --wavenet or by --spectral"),
        (
            {"wavenet": "spectral"},
            {},
            "holds a spectral autoencoder: name a run of a WaveNet autoencoder",
        ),
        (
            {"spectral": "wavenet"},
            {},
            "holds a WaveNet autoencoder: name a run of a spectral autoencoder",
        ),
        ({"wavenet": "nowhere"}, {}, "is not a training run"),
        ({"wavenet": "wavenet"}, {"spectral": QUICK}, "--griffin_lim_iterations needs --spectral"),
        ({"spectral": "spectral"}, {"wavenet": {"temperature": 0.0}}, "--temperature needs --wave"),
    ],
)
def test_models_that_do_not_fit(tiny_run, spectral_run, tmp_path, folders, settings, message):
    there = {"wavenet": tiny_run, "spectral": spectral_run, "nowhere": tmp_path, None: None}
    given = {task: there[folders.get(task)] for task in ("wavenet", "spectral")}
    with pytest.raises(UserError, match=message):
        interpolation.load_models(given, settings)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{a}", "must be two sound files, as --pair=a.wav,b.wav"),
        ("{a},", "must be two sound files"),
        ("{a},{a},{a}", "must be two sound files"),
        ("{a},missing.wav", r"missing\.wav does not exist"),
    ],
)
def test_pairs_that_are_none(sounds, given, message):
    with pytest.raises(UserError, match=message):
        interpolation_pairs.read_pairs(
            [two_paths(given.format(a=sounds / "a-060-100.wav"))], track_pitch=False
        )


def test_names_with_commas(sounds, tmp_path):
    source = sounds / "a-060-100.wav"
    for name in ("a.wav", "flute, soft.wav", "b,,c.wav"):
        shutil.copy(source, tmp_path / name)

    def read(first, second):
        text = f"{tmp_path / first},{tmp_path / second}"
        (pair,) = interpolation_pairs.read_pairs([two_paths(text)], track_pitch=False)
        return pair.first.name, pair.second.name

    for two in (
        ("flute, soft.wav", "a.wav"),
        ("a.wav", "b,,c.wav"),
        ("b,,c.wav", "flute, soft.wav"),
    ):
        assert read(*two) == two
    with pytest.raises(UserError, match=r"must be two sound files, .*, and exist"):
        read("flute, soft.wav", "none.wav")


def test_a_pair_that_could_be_another(sounds, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b,a", "a,b"):
        shutil.copy(sounds / "a-060-100.wav", name)
    with pytest.raises(UserError, match="could be a and b,a, or a,b and a: rename one of them"):
        two_paths("a,b,a")


def test_splits_without_a_pair(models):
    def choose(split, dataset=None):
        interpolation_pairs.choose_notes(
            models["wavenet"], dataset=dataset, data_dir=None, split=split, num_pairs=1
        )

    with pytest.raises(UserError, match="there is no dataset 'nsynth_json/other'"):
        choose("test", "nsynth_json/other")

    with pytest.raises(UserError, match="a pair needs two notes, and the split test has 1"):
        choose("test")
    with pytest.raises(UserError, match="has no split 'nowhere', only train, valid, test"):
        choose("nowhere")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--wavenet={run}", "--pair={pair}", "--num_weights=1"], "--num_weights=1 must be"),
        (["--wavenet={run}"], "the split test has 1"),
    ],
)
def test_command_line_errors_are_one_line(tiny_run, pair_flag, tmp_path, flags, message):
    filled = [flag.format(run=tiny_run, pair=pair_flag) for flag in flags]
    process = entry_points.run("interpolate", *filled, f"--output={tmp_path / 'out'}")
    assert_refused(process, message)
    assert not (tmp_path / "out").exists()
