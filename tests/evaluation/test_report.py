import io
import json
import re
import shutil
from pathlib import Path

import entry_points
import numpy as np
import pytest
import soundfile
from conftest import no_summaries
from entry_points import assert_refused
from html_page import Page, wav
from sine_notes import build_splits

from wavenet_ae import pretrained
from wavenet_ae.audio import files
from wavenet_ae.data.nsynth import QUALITIES, Note
from wavenet_ae.evaluation import report, report_document
from wavenet_ae.evaluation.report import write_report
from wavenet_ae.synthesis import codec, generate_files
from wavenet_ae.synthesis.encode_files import encode_sound
from wavenet_ae.synthesis.generate_files import Job
from wavenet_ae.system.errors import UserError
from wavenet_ae.training import loop
from wavenet_ae.training.trained import export, load_trained

NUM_SAMPLES = 2000
SECONDS = NUM_SAMPLES / 16_000
SPLITS = {
    "train": ["organ_electronic_001-060-100", "organ_electronic_001-062-100"],
    "valid": ["reed_acoustic_002-060-075"],
    "test": [
        "bass_synthetic_033-030-050",
        "bass_synthetic_033-063-050",
        "flute_acoustic_004-059-127",
        "flute_acoustic_005-100-025",
        "vocal_synthetic_003-058-075",
    ],
}


@pytest.fixture(scope="module")
def splits_dir(tmp_path_factory):
    return build_splits(tmp_path_factory.mktemp("data"), SPLITS)


@pytest.fixture(scope="module")
def workdir(splits_dir, tiny_config, tmp_path_factory):
    """A run of two steps of a very small model that is conditioned on pitch."""
    config = json.loads(tiny_config)
    config["model"] |= {"hop_length": 512, "num_pitches": 128}
    config["dataset"] |= {"name": "nsynth_json/published", "data_dir": str(splits_dir)}
    config |= {"num_steps": 2, "batch_size": 2, "crop_samples": 1024}
    config |= {"eval_every_steps": 2, "checkpoint_every_steps": 2}
    folder = tmp_path_factory.mktemp("run")
    loop.train_and_evaluate(config, folder, no_summaries)
    return folder


@pytest.fixture(scope="module")
def output(workdir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    path = write_report([workdir], folder, num_notes=3, seconds=SECONDS)
    assert path == folder / "report.html"
    return folder


def read_page(folder):
    return Page((folder / "report.html").read_text())


def contents(folder):
    return {path.name: path.read_bytes() for path in (folder / "audio").iterdir()}


CHOSEN = ["flute_acoustic_004-059-127", "vocal_synthetic_003-058-075", "bass_synthetic_033-063-050"]


def test_players_hold_the_sounds_of_the_folder(output):
    stems = [f"{n}_{what}" for n in sorted(CHOSEN) for what in ("original", "reconstruction")]
    blend = "flute_acoustic_004-059-127_vocal_synthetic_003-058-075_blend"
    on_disk = {p.stem: p.read_bytes() for p in (output / "audio").glob("*.wav")}
    assert set(on_disk) == {*stems, blend}
    sounds = [wav(player["src"]) for player in read_page(output).all("audio")]
    pair = [on_disk[f"{name}_original"] for name in CHOSEN[:2]]
    expected = [on_disk[f"{n}_{w}"] for n in CHOSEN for w in ("original", "reconstruction")]
    assert sounds == [*expected, pair[0], on_disk[blend], pair[1]]
    for sound in sounds:
        audio, rate_hz = soundfile.read(io.BytesIO(sound), dtype="int16")
        assert (audio.shape, rate_hz) == ((NUM_SAMPLES,), 16_000)


def test_originals_are_the_notes_of_the_split(output, splits_dir):
    notes = splits_dir.parent / "notes" / "nsynth-test" / "audio"
    for name in CHOSEN:
        original, _ = soundfile.read(output / "audio" / f"{name}_original.wav", dtype="int16")
        whole, _ = soundfile.read(notes / f"{name}.wav", dtype="int16")
        np.testing.assert_array_equal(original, whole[:NUM_SAMPLES])


def test_nothing_comes_from_outside_the_page(output):
    text = (output / "report.html").read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert "http:" not in text
    assert "https:" not in text
    page = read_page(output)
    assert not page.all("script")
    for tag, attributes in page.elements:
        for name in ("src", "href", "data", "poster", "srcset"):
            value = attributes.get(name, "#")
            assert value.startswith(("#", "data:")), (tag, value)
    assert all(url.startswith("#") for url in re.findall(r"url\(([^)]*)\)", text))


def test_pictures_are_named_and_share_no_ids(output):
    page = read_page(output)
    pictures = page.all("svg")
    # The loss; two rainbowgrams and an embedding for each note; three for the blend.
    assert len(pictures) == 1 + 3 * 3 + 3
    assert all(p["role"] == "img" and p["aria-label"] for p in pictures)
    assert all(player["aria-label"] for player in page.all("audio"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    references = re.findall(r'(?:href="|url\()#([^)"]*)', (output / "report.html").read_text())
    assert references
    assert set(references) <= set(ids)


def test_page_tells_the_run(output, workdir):
    page = read_page(output)
    metrics = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    for key in ("train/bits_per_sample", "train/loss", "valid/bits_per_sample", "valid/loss"):
        assert f"{metrics[-1][key]:.3f}" in page.text
    for key in ("reference/uniform_bits_per_sample", "reference/histogram_bits_per_sample"):
        assert f"{metrics[-1][key]:.3f}" in page.text
    assert "This was a short training." in page.text
    assert "4,096 samples, 0 seconds of sound" in page.text
    assert "2 notes of nsynth_json/published" in page.text
    assert "3 numbers for every 512 samples (32 ms)" in page.text
    assert "flute, acoustic, B3" in page.text
    assert "very loud (velocity 127 of 127), fast decay" in page.text
    assert "at the pitch B3" in page.text
    assert "The pretrained model" not in page.text
    assert "were asked for" not in page.text


@pytest.mark.parametrize(
    ("velocity", "word"),
    [(25, "very soft"), (50, "soft"), (75, "medium"), (100, "loud"), (127, "very loud")],
)
def test_labels_in_words(velocity, word):
    qualities = tuple(quality == "dark" for quality in QUALITIES)
    note = Note("name", "organ_electronic_001", 69, velocity, "organ", "electronic", qualities)
    assert "".join(report_document._labels(note).text) == (
        f"A4 is MIDI 69, 440 Hz; {word} (velocity {velocity} of 127), dark. `name`"
    )


def test_second_call_generates_nothing_and_gives_the_same_page(output, workdir, monkeypatch):
    before, page = contents(output), (output / "report.html").read_bytes()
    seen = []

    def generate(groups, folder, **settings):
        seen.extend(job for _, jobs in groups for job in jobs)
        generate_files.generate_by_codecs(groups, folder, **settings)

    def fail(*_, **__):
        raise AssertionError("generated again")

    monkeypatch.setattr(report, "generate_by_codecs", generate)
    monkeypatch.setattr(generate_files.sampler, "generate", fail)
    write_report([workdir], output, num_notes=3, seconds=SECONDS)
    assert contents(output) == before
    assert (output / "report.html").read_bytes() == page
    assert {path.name for path in output.iterdir()} == {"audio", "report.html", "written.json"}

    *notes, blend = [job.sound for job in seen]
    assert [sound.source for sound in notes] == CHOSEN
    mean = (notes[0].embedding + notes[1].embedding) / 2
    np.testing.assert_allclose(blend.embedding, mean, rtol=1e-6)
    assert [sound.pitch for sound in (*notes, blend)] == [59, 58, 63, 59]

    with pytest.raises(AssertionError, match="generated again"):
        write_report([workdir], output, num_notes=3, seconds=SECONDS, seed=1)


def test_split_with_one_note_has_no_blend(workdir, splits_dir, tmp_path, capsys):
    write_report([workdir], tmp_path, split="valid", data_dir=str(splits_dir), seconds=0.01)
    assert capsys.readouterr().out.startswith(
        "notes in the split valid: 1, fewer than --num_notes=4\n"
    )
    page = read_page(tmp_path)
    [name] = SPLITS["valid"]
    assert name in page.text
    assert "4 notes were asked for; the split has 1." in page.text
    assert "a blend needs two" in page.text
    assert len(page.all("audio")) == 2
    assert not list(tmp_path.glob("audio/*_blend.wav"))


def test_what_is_missing_is_named(workdir, tmp_path):
    with pytest.raises(UserError, match="is not a training run"):
        write_report([tmp_path], tmp_path / "out")
    (tmp_path / "config.json").write_text((workdir / "config.json").read_text())
    with pytest.raises(UserError, match="has no checkpoint yet"):
        write_report([tmp_path], tmp_path / "out")
    (tmp_path / "checkpoints").symlink_to(workdir / "checkpoints")
    with pytest.raises(UserError, match=r"metrics\.jsonl holds no losses"):
        write_report([tmp_path], tmp_path / "out")
    with pytest.raises(UserError, match=r"no split 'nowhere', only train, valid, test"):
        write_report([workdir], tmp_path / "out", split="nowhere")
    with pytest.raises(UserError, match=r"there is no dataset .* as data_dir"):
        write_report([workdir], tmp_path / "out", data_dir=str(tmp_path))
    for seconds in (0.0, float("nan"), float("inf")):
        with pytest.raises(UserError, match="--seconds"):
            write_report([workdir], tmp_path / "out", seconds=seconds)
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        write_report([workdir], tmp_path / "file", seconds=0.01)


@pytest.mark.parametrize(
    "name",
    ["report.html", f"audio/{CHOSEN[0]}_original.wav", f"audio/{CHOSEN[1]}_reconstruction.wav"],
)
def test_files_of_others_are_not_replaced(workdir, tmp_path, monkeypatch, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    monkeypatch.setattr(report, "encode_sound", None)  # refused before any work
    with pytest.raises(UserError, match=rf"holds {path.name}, not written by this tool"):
        write_report([workdir], tmp_path, num_notes=3, seconds=SECONDS)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


@pytest.fixture
def box(workdir, tmp_path, monkeypatch):
    """The package with this run's weights in the place of its own."""
    folder = tmp_path / "package"
    export(load_trained(workdir), folder / "wavenet")
    monkeypatch.setattr(pretrained, "_FOLDER", folder)
    return folder


def test_the_weights_in_the_box_have_a_part_of_their_own(box, workdir, tmp_path):
    sound = tmp_path / "it's mine.wav"
    time = np.arange(16_000) / 16_000
    soundfile.write(sound, np.sin(2 * np.pi * 440 * time), 16_000)
    folder, both = tmp_path / "out", [Path("pretrained"), workdir]
    settings = {"inputs": [sound], "num_notes": 1, "seconds": 1.0}
    write_report(both[:1], folder, **settings)
    page = read_page(folder)
    box_notes = sorted(path.stem for path in pretrained.NOTES.iterdir())
    stems = ["1_it_s_mine", *box_notes]
    written = {path.stem for path in (folder / "audio" / "pretrained").glob("*.wav")}
    assert {f"{stem}_{what}" for stem in stems for what in ("original", "reconstruction")} < written
    assert len(page.all("audio")) == 2 * len(stems) + 3
    assert "The pretrained model" in page.text
    assert "This was a short training" not in page.text
    assert "the split" not in page.text

    write_report(both, folder, **settings)
    page = read_page(folder)
    assert len(page.all("audio")) == 2 * len(stems) + 3 + 2
    parts = page.text.split("The training of this run")
    assert len(parts) == 2
    for note in box_notes:
        assert note in parts[0]
    assert "flute_acoustic_004-059-127" in parts[1]
    assert "This was a short training" in parts[1]
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_run_that_started_from_other_weights_shows_what_they_make(
    box, workdir, splits_dir, tmp_path, capsys
):
    config = json.loads((workdir / "config.json").read_text())
    config |= {"init_from": "pretrained", "num_steps": 1}
    config["optimizer"] |= {"learning_rates": [0.5], "boundaries": []}
    tuned, out = tmp_path / "tuned", tmp_path / "out"
    loop.train_and_evaluate(config, tuned, no_summaries)
    settings = {"num_notes": 1, "seconds": SECONDS}
    write_report([tuned], out, **settings)
    page = read_page(out)
    assert "The training started from the weights of pretrained" in page.text
    assert (
        "as these weights reconstruct it: those that the name stands for today, of step 2."
        in page.text
    )
    assert "short training" not in page.text
    players = [wav(player["src"]) for player in page.all("audio")]
    note = "flute_acoustic_004-059-127"
    shown = ("original", "before", "reconstruction")
    assert players == [(out / "audio" / f"{note}_{kind}.wav").read_bytes() for kind in shown]

    # As the model itself, before the training, plays this note.
    model = codec.create(load_trained(workdir))
    sound = encode_sound(
        model, files.load(out / "audio" / f"{note}_original.wav"), source=note, pitch=59
    )
    generate_files.generate_files(model, [Job(f"{note}_before", sound)], tmp_path / "direct")
    assert players[1] == (tmp_path / "direct" / f"{note}_before.wav").read_bytes() != players[2]

    shutil.rmtree(box)
    write_report([tuned], out, **settings)
    assert f"what {tuned} started from is not shown: " in capsys.readouterr().err
    assert len(read_page(out).all("audio")) == 2


def test_wrong_parts_and_sounds_are_refused(box, workdir, tmp_path):
    noise = tmp_path / "noise.wav"
    soundfile.write(noise, np.random.default_rng(0).uniform(-0.5, 0.5, 16_000), 16_000)
    out = tmp_path / "out"
    for checkpoints in ([], [workdir, workdir], [Path("pretrained"), Path("pretrained/wavenet")]):
        with pytest.raises(UserError, match="takes one run, or pretrained, or one of each"):
            write_report(checkpoints, out)
    with pytest.raises(UserError, match="add --checkpoint=pretrained"):
        write_report([workdir], out, inputs=[noise])
    with pytest.raises(
        UserError, match=r"noise\.wav has no pitch that the tracker could find: give it"
    ):
        write_report([Path("pretrained")], out, inputs=[noise])
    with pytest.raises(UserError, match="there is no"):
        write_report([Path("pretrained"), tmp_path / "typo"], out)
    assert not out.exists()


def test_command_line(output, workdir):
    page = (output / "report.html").read_bytes()
    flags = (f"--checkpoint={workdir}", f"--output={output}", "--num_notes=3")
    process = entry_points.run("report", *flags, f"--seconds={SECONDS}")
    assert process.returncode == 0, process.stderr
    assert process.stdout.endswith(f"open {output / 'report.html'} in a browser\n")
    assert (output / "report.html").read_bytes() == page


def test_command_line_errors_are_one_line(tmp_path):
    process = entry_points.run("report", f"--checkpoint={tmp_path}", f"--output={tmp_path / 'out'}")
    assert_refused(process, f"error: {tmp_path} is not a training run")
