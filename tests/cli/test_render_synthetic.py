import json

import entry_points
from entry_points import assert_refused


def test_synthesizes_and_builds_for_training_only(tmp_path):
    for name, seed in (("notes", 0), ("more", 1)):
        result = entry_points.run(
            "render-synthetic",
            f"--output={tmp_path / name}",
            "--num_instruments=4",
            "--notes_each=2",
            "--pitches=60:64:1",
            f"--seed={seed}",
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.strip().endswith("8 notes of 4 instruments.")
    result = entry_points.run(
        "build-dataset",
        f"{tmp_path / 'notes'}",
        f"--train_only={tmp_path / 'more'}",
        f"--data_dir={tmp_path / 'data'}",
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("train: 12 notes, instruments: 6\n")
    metadata = tmp_path / "data/nsynth_json/by_instrument/1.1.0/metadata.json"
    assert json.loads(metadata.read_text())["instruments"] == {"train": 6, "valid": 1, "test": 1}


def test_mistakes_are_one_sentence(tmp_path):
    result = entry_points.run("render-synthetic", f"--output={tmp_path}/a", "--pitches=200")
    assert_refused(result, "--pitches")
    result = entry_points.run("render-synthetic", f"--output={tmp_path}/a", "--pitches=1")
    assert_refused(result, "no instrument plays any of the --pitches")
    assert not (tmp_path / "a").exists()
