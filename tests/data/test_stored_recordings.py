import json
import shutil

import domain_recordings
import numpy as np
import pytest

from wavenet_ae.data import input_pipeline
from wavenet_ae.data.stored_notes import find
from wavenet_ae.data.stored_recordings import Recordings
from wavenet_ae.system.errors import UserError

NAME = "recordings/three"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return domain_recordings.build_dataset(tmp_path_factory.mktemp("three"))


def opened(data_dir):
    return {split: Recordings(find(NAME, data_dir), split) for split in ("train", "valid", "test")}


def test_all_recordings_are_there_sample_by_sample(data_dir):
    seen = {}
    for recordings in opened(data_dir).values():
        for i, (domain, length) in enumerate(
            zip(recordings.domains, recordings.lengths, strict=True)
        ):
            name = recordings.name(i)
            assert name.startswith(f"{domain}/")
            seen[name] = recordings.read(i, 0, length)
    expected = {
        f"{domain}/{name}": domain_recordings.samples(domain, name)
        for domain, names in domain_recordings.SECONDS.items()
        for name in names
    }
    assert seen.keys() == expected.keys()
    for name, audio in seen.items():
        assert audio.dtype == np.float32
        np.testing.assert_array_equal(audio * 32_768, expected[name])


def test_a_part_is_read_across_pieces(data_dir):
    (recordings, number) = next(
        (recordings, i)
        for recordings in opened(data_dir).values()
        for i in range(len(recordings))
        if recordings.name(i) == "noise/long"
    )
    whole = domain_recordings.samples("noise", "long") / np.float32(32_768)
    third = len(whole) // 3
    for start, count in ((0, 1), (third - 5, 12_000), (10, 2 * third), (len(whole) - 7, 7)):
        part = recordings.read(number, start, count)
        np.testing.assert_array_equal(part, whole[start : start + count])


def test_notes_and_recordings_are_not_taken_for_each_other(data_dir):
    with pytest.raises(UserError, match="holds recordings, not notes: choose a dataset of notes"):
        input_pipeline.open_split(NAME, data_dir, "train")


def test_a_missing_split_is_named(data_dir):
    with pytest.raises(UserError, match="has no split 'training', only"):
        Recordings(find(NAME, data_dir), "training")


def test_damage_is_reported(data_dir, tmp_path):
    copy = shutil.copytree(data_dir, tmp_path / "datasets") / NAME / "1.0.0"
    metadata = json.loads((copy / "metadata.json").read_text())
    changed = json.loads(json.dumps(metadata))
    changed["pieces"]["train"]["samples"][0] += 1
    (copy / "metadata.json").write_text(json.dumps(changed))
    recordings = Recordings(find(NAME, str(tmp_path / "datasets")), "train")
    with pytest.raises(UserError, match=r"the record 0 of .* has \d+ samples, not the \d+"):
        recordings.read(0, 0, 10)
    for damage in ("{", "{}", json.dumps(metadata | {"pieces": {"train": {}}})):
        (copy / "metadata.json").write_text(damage)
        with pytest.raises(UserError, match=r"metadata\.json is damaged"):
            Recordings(find(NAME, str(tmp_path / "datasets")), "train")
