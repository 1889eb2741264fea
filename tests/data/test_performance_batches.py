import itertools
import shutil

import numpy as np
import performance_files
import pytest
from absl import flags
from domain_recordings import build_dataset as build_recordings

from wavenet_ae.data import domain_batches, input_pipeline, nsynth, piano_roll
from wavenet_ae.data.input_pipeline import ProcessShare
from wavenet_ae.data.performance_batches import evaluation_batches, open_split, training_batches
from wavenet_ae.system.errors import UserError

CROP, MARGIN = 1_024, 30
SETTINGS = {"batch_size": 6, "crop_samples": CROP, "margin": MARGIN, "roll": "held"}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return performance_files.build_dataset(tmp_path_factory.mktemp("five"))


@pytest.fixture(scope="module")
def split(data_dir):
    return open_split("performances/five", data_dir, "train")


def take(count, split, **settings):
    return list(
        itertools.islice(training_batches(split, **{"seed": 0, **SETTINGS, **settings}), count)
    )


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])


def find_crop(split, audio):
    """Returns the one place that a crop is from: a name, and the first sample."""
    crop = np.rint(audio * 32_768).astype(np.int16)
    names = [split.sounds.name(i).removeprefix("piano/") for i in range(len(split))]
    [place] = [
        (name, int(start))
        for name in names
        for start in np.flatnonzero(performance_files.samples(name) == crop[0])
        if np.array_equal(performance_files.samples(name)[start : start + len(crop)], crop)
    ]
    return place


@pytest.mark.parametrize("kind", piano_roll.KINDS)
def test_a_roll_is_of_the_notes_around_its_crop(split, kind):
    seen = set()
    for batch in take(12, split, roll=kind):
        assert (batch["audio"].dtype, batch["audio"].shape) == (np.float32, (6, CROP))
        assert (batch["roll"].dtype, batch["roll"].shape) == (np.float32, (6, 16 + 60, 88))
        for audio, roll in zip(batch["audio"], batch["roll"], strict=True):
            name, start = find_crop(split, audio)
            notes = piano_roll.notes_of(performance_files.notes(name))
            expected = piano_roll.draw(notes, start - 64 * MARGIN, 76, kind)
            np.testing.assert_array_equal(roll, expected)
            seen.add((name, start))
    assert len(seen) == 72
    assert len({start % 64 for _, start in seen}) > 30  # crops begin anywhere
    assert any(start < 64 * MARGIN for _, start in seen)  # and margins go beyond the sound
    assert any(
        start + CROP + 64 * MARGIN > len(performance_files.samples(name)) for name, start in seen
    )


def test_each_epoch_visits_every_window_once(split):
    windows = split.num_windows(CROP)
    assert windows == sum(length // CROP for length in split.sounds.lengths)
    rows = [batch["audio"][0] for batch in take(2 * windows, split, batch_size=1)]
    before = np.concatenate([[0], np.cumsum(split.sounds.lengths - CROP + 1)])
    position = {split.sounds.name(i).removeprefix("piano/"): i for i in range(len(split))}
    orders = []
    for epoch in (rows[:windows], rows[windows:]):
        places = [find_crop(split, audio) for audio in epoch]
        line = sorted(before[position[name]] + start for name, start in places)
        assert [int(place / before[-1] * windows) for place in line] == list(range(windows))
        orders.append(places)
    assert orders[0] != orders[1]


def test_a_batch_depends_on_seed_and_step_alone(split):
    settings = {"decoder_input_noise": 4.0, "gain_db": 3.0}
    batches = take(6, split, **settings)
    assert_same(take(3, split, first_step=3, **settings), batches[3:])
    others = take(6, split, seed=1, **settings)
    assert all(np.any(a["audio"] != b["audio"]) for a, b in zip(batches, others, strict=True))
    flags.FLAGS.mark_as_parsed()  # Grain's workers hand the flags on
    assert_same(take(3, split, num_workers=1, **settings), batches[:3])
    parts = [take(6, split, share=ProcessShare(i, 3), **settings) for i in range(3)]
    for batch, *shares in zip(batches, *parts, strict=True):
        assert all(len(share["audio"]) == 2 for share in shares)
        joined = {key: np.concatenate([share[key] for share in shares]) for key in batch}
        assert_same([joined], [batch])


def test_noise_and_gain_leave_the_rest(split):
    plain, noisy = take(3, split), take(3, split, decoder_input_noise=4.0)
    for a, b in zip(plain, noisy, strict=True):
        noise = b.pop("decoder_input_noise")
        assert (noise.shape, noise.dtype) == ((6, CROP), np.int8)
        assert noise.any()
        assert_same([a], [b])
    for a, b in zip(plain, take(3, split, gain_db=6.0), strict=True):
        np.testing.assert_array_equal(a["roll"], b["roll"])
        gains = np.abs(b["audio"]).max(axis=1) / np.abs(a["audio"]).max(axis=1)
        np.testing.assert_allclose(b["audio"], a["audio"] * gains[:, None], rtol=1e-5)
        assert np.all((gains > 1) & (gains < 2))


def test_evaluation_is_evenly_spread(split):
    batches = list(evaluation_batches(split, **SETTINGS))
    windows = split.num_windows(CROP)
    masks = np.concatenate([batch["mask"] for batch in batches])
    assert masks.sum() == windows
    assert len(masks) - windows < 6
    last = batches[-1]["audio"]  # filled up with other crops than its last
    assert all(np.any(last[i] != last[i - 1]) for i in range(len(last)))
    assert all(batch["mask"].all() for batch in batches[:-1])
    before = np.concatenate([[0], np.cumsum(split.sounds.lengths - CROP + 1)])
    position = {split.sounds.name(i).removeprefix("piano/"): i for i in range(len(split))}
    places = []
    for audio, roll in zip(
        np.concatenate([batch["audio"] for batch in batches])[masks],
        np.concatenate([batch["roll"] for batch in batches])[masks],
        strict=True,
    ):
        name, start = find_crop(split, audio)
        places.append(before[position[name]] + start)
        notes = piano_roll.notes_of(performance_files.notes(name))
        np.testing.assert_array_equal(roll, piano_roll.draw(notes, start - 64 * MARGIN, 76, "held"))
    np.testing.assert_allclose(places, (np.arange(windows) + 0.5) / windows * before[-1], atol=1)

    few = list(evaluation_batches(split, **SETTINGS, num_batches=2))
    assert len(few) == 2
    assert all(batch["mask"].all() for batch in few)
    shares = [list(evaluation_batches(split, **SETTINGS, share=ProcessShare(i, 2))) for i in (0, 1)]
    for batch, *parts in zip(batches, *shares, strict=True):
        np.testing.assert_array_equal(np.concatenate([p["roll"] for p in parts]), batch["roll"])


def test_a_split_is_a_sequence_of_the_beginnings(split):
    assert len(split) == 3
    for item in split:
        name = item["id"].removeprefix("piano/")
        np.testing.assert_array_equal(
            item["audio"] * 32_768, performance_files.samples(name)[: nsynth.NOTE_SAMPLES]
        )
        own = piano_roll.notes_of(performance_files.notes(name)).tolist()
        sounding = [note for note in own if note[0] < len(item["audio"])]
        assert [note for note in item["notes"].tolist() if note in sounding] == sorted(sounding)


def test_mistakes_are_named(split, data_dir, tmp_path):
    with pytest.raises(UserError, match="crop_samples=1000 must be a multiple of 64"):
        take(1, split, crop_samples=1_000)
    with pytest.raises(UserError, match=r"piano/\S+ has \d+ samples, fewer than the crop of 64000"):
        take(1, split, crop_samples=64_000)
    with pytest.raises(UserError, match="batch_size=6 cannot be shared by 4 processes"):
        take(1, split, share=ProcessShare(0, 4))
    with pytest.raises(UserError, match="has no split 'training', only"):
        open_split("performances/five", data_dir, "training")
    with pytest.raises(UserError, match=r"five/1\.0\.0 holds performances, not notes: choose a"):
        input_pipeline.open_split("performances/five", data_dir, "train")
    with pytest.raises(UserError, match=r"five/1\.0\.0 holds performances, not notes: choose a"):
        domain_batches.open_split("performances/five", data_dir, "train", ("a",))
    recordings = build_recordings(tmp_path)
    with pytest.raises(UserError, match=r"three/1\.0\.0 holds no performances with their notes"):
        open_split("recordings/three", recordings, "train")


def test_a_damaged_record_is_named(data_dir, tmp_path):
    copy = shutil.copytree(data_dir, tmp_path / "datasets")
    [path] = copy.rglob("performances-train.array_record*")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :: 4_000] = bytes(len(content[len(content) // 2 :: 4_000]))
    path.write_bytes(bytes(content))
    damaged = open_split("performances/five", str(copy), "train")
    with pytest.raises(UserError, match=r"the record \d+ of the split 'train' of .* is damaged"):
        [damaged.sounds.read(i, 0, int(damaged.sounds.lengths[i])) for i in range(len(damaged))]
