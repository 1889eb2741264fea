import collections
import itertools

import domain_recordings
import numpy as np
import pytest
from absl import flags
from sine_notes import write_notes

from wavenet_ae.data import domain_batches, nsynth
from wavenet_ae.data.domain_batches import evaluation_batches, open_split, training_batches
from wavenet_ae.data.input_pipeline import ProcessShare
from wavenet_ae.prepare.nsynth_json.build import build
from wavenet_ae.system.errors import UserError

DOMAINS = ("ramp", "noise")
CROP = 1_000


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return domain_recordings.build_dataset(tmp_path_factory.mktemp("three"))


@pytest.fixture(scope="module")
def split(data_dir):
    return open_split("recordings/three", data_dir, "train", DOMAINS)


def take(count, split, **settings):
    defaults = {"seed": 0, "batch_size": 6, "crop_samples": CROP}
    return list(itertools.islice(training_batches(split, **{**defaults, **settings}), count))


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])


def find_crop(split, audio, domain):
    """Returns the one place in a domain's sounds where a crop is from."""
    places = []
    for sound in split.members[domain]:
        whole = split.sounds.read(sound, 0, split.sounds.lengths[sound])
        for start in np.flatnonzero(whole[: len(whole) - len(audio) + 1] == audio[0]):
            if np.array_equal(whole[start : start + len(audio)], audio):
                places.append((int(sound), int(start)))
    return places


def test_rows_are_sorted_by_domain_and_are_crops_of_it(split):
    for batch in take(4, split):
        assert batch["audio"].shape == batch["augmented"].shape == (6, CROP)
        assert batch["audio"].dtype == batch["augmented"].dtype == np.float32
        assert batch["domain"].dtype == np.int32
        assert batch["domain"].tolist() == [0, 0, 0, 1, 1, 1]
        np.testing.assert_array_equal(batch["audio"], batch["augmented"])
        for audio, domain in zip(batch["audio"], batch["domain"], strict=True):
            assert find_crop(split, audio, domain)
            assert not find_crop(split, audio, 1 - domain)


def test_each_epoch_visits_every_window_of_a_domain_once(split):
    position = DOMAINS.index("noise")
    lengths = split.sounds.lengths[split.members[position]]
    windows = sum(lengths // CROP)
    rows = [b["audio"][1] for b in take(2 * windows, split, batch_size=2)]
    orders = []
    for epoch in (rows[:windows], rows[windows:]):
        places = [find_crop(split, audio, position) for audio in epoch]
        assert all(len(found) == 1 for found in places)  # noise: no two crops are the same
        orders.append([found[0] for found in places])
        # In one line of all places, one crop in each window of this length.
        before = np.concatenate([[0], np.cumsum(lengths - CROP + 1)])
        order = {int(sound): i for i, sound in enumerate(split.members[position])}
        line = sorted(before[order[sound]] + start for sound, start in orders[-1])
        assert [int(place / before[-1] * windows) for place in line] == list(range(windows))
    assert orders[0] != orders[1]
    by_sound = collections.Counter(sound for order in orders for sound, _ in order)
    shares = np.array([by_sound[int(s)] for s in split.members[position]]) / (2 * windows)
    np.testing.assert_allclose(shares, lengths / lengths.sum(), atol=0.01)


def test_a_batch_depends_on_seed_and_step_alone(split):
    settings = {"detune_semitones": 0.5}
    batches = take(6, split, **settings)
    assert_same(take(3, split, first_step=3, **settings), batches[3:])
    others = take(6, split, seed=1, **settings)
    assert all(np.any(a["audio"] != b["audio"]) for a, b in zip(batches, others, strict=True))
    flags.FLAGS.mark_as_parsed()  # Grain's workers hand the flags on
    assert_same(take(3, split, num_workers=1, **settings), batches[:3])


def test_processes_share_the_global_batch(split):
    whole = take(3, split, batch_size=8)
    for count in (2, 4):
        parts = [take(3, split, batch_size=8, share=ProcessShare(i, count)) for i in range(count)]
        for batch, *shares in zip(whole, *parts, strict=True):
            for key in batch:
                joined = np.concatenate([share[key] for share in shares])
                np.testing.assert_array_equal(joined, batch[key])


def test_domains_have_orders_of_their_own(data_dir):
    twice = open_split("recordings/three", data_dir, "train", ("noise", "noise"))
    batches = take(4, twice, batch_size=2)
    assert all(np.any(b["audio"][0] != b["audio"][1]) for b in batches)


def test_augmented_crops_are_partly_out_of_tune_and_the_others_stay(split):
    plain = take(4, split)
    augmented = take(4, split, detune_semitones=0.5)
    for a, b in zip(plain, augmented, strict=True):
        np.testing.assert_array_equal(a["audio"], b["audio"])
    # 12,000 samples, where parts are long enough for fades.
    (batch,) = take(1, split, crop_samples=12_000, detune_semitones=0.5)
    changed = batch["audio"] != batch["augmented"]
    assert np.all(changed.any(axis=1))
    assert np.all(changed.mean(axis=1) <= 0.5)
    first = changed.argmax(axis=1)
    assert len(set(first.tolist())) == 6


def test_noise_is_of_the_decoders_inputs_alone(split):
    plain, noisy = take(3, split), take(3, split, decoder_input_noise=4.0)
    for a, b in zip(plain, noisy, strict=True):
        noise = b.pop("decoder_input_noise")
        assert (noise.shape, noise.dtype) == ((6, CROP), np.int8)
        assert np.all(noise.std(axis=1) < 4.3)
        assert_same([a], [b])
    assert noise.any()


def test_evaluation_is_evenly_spread_and_equal_for_all_domains(split):
    batches = list(evaluation_batches(split, batch_size=8, crop_samples=CROP))
    assert all(b["domain"].tolist() == [0] * 4 + [1] * 4 for b in batches)
    assert "augmented" not in batches[0]
    windows = [sum(split.sounds.lengths[m] // CROP) for m in split.members]
    each = min(windows)
    counts = sum(
        np.bincount(b["domain"], weights=b["mask"].astype(float), minlength=2) for b in batches
    )
    assert counts.tolist() == [each, each]
    assert sum(len(b["mask"]) for b in batches) - 2 * each < 8
    assert all(b["mask"].all() for b in batches[:-1])

    noise = DOMAINS.index("noise")
    rows = np.concatenate([b["audio"][(b["domain"] == noise) & b["mask"]] for b in batches])
    found = [find_crop(split, audio, noise) for audio in rows]
    before, line = 0, {}
    for sound in split.members[noise]:
        line[int(sound)] = before
        before += split.sounds.lengths[sound] - CROP + 1
    places = [line[place[0][0]] + place[0][1] for place in found]
    np.testing.assert_allclose(places, (np.arange(each) + 0.5) / each * before, atol=1)

    assert_same(evaluation_batches(split, batch_size=8, crop_samples=CROP, num_workers=1), batches)
    few = list(evaluation_batches(split, batch_size=8, crop_samples=CROP, num_batches=2))
    assert len(few) == 2
    assert all(b["mask"].all() for b in few)
    shares = [
        list(evaluation_batches(split, batch_size=8, crop_samples=CROP, share=ProcessShare(i, 2)))
        for i in range(2)
    ]
    for batch, *parts in zip(batches, *shares, strict=True):
        np.testing.assert_array_equal(np.concatenate([p["audio"] for p in parts]), batch["audio"])


def test_mistakes_are_named(split, data_dir):
    with pytest.raises(UserError, match=r"config\.domains: .*no sounds of 'viola', only of noise"):
        open_split("recordings/three", data_dir, "train", ("noise", "viola"))
    with pytest.raises(UserError, match="batch_size=5 must be a multiple of the 2 domains"):
        take(1, split, batch_size=5)
    with pytest.raises(UserError, match="batch_size=6 cannot be shared by 4 processes"):
        take(1, split, share=ProcessShare(0, 4))
    with pytest.raises(UserError, match=r"ramp/. has \d+ samples, fewer than the crop of 60000"):
        take(1, split, crop_samples=60_000)


def test_a_split_is_a_sequence_of_the_sounds_beginnings(split):
    assert len(split) == len(split.members[0]) + len(split.members[1])
    names = [split[i]["id"] for i in range(len(split))]
    assert all(name.startswith("ramp/") for name in names[: len(split.members[0])])
    for i, name in enumerate(names):
        domain, recording = name.split("/")
        expected = domain_recordings.samples(domain, recording)[: nsynth.NOTE_SAMPLES]
        np.testing.assert_array_equal(split[i]["audio"] * 32_768, expected)


FAMILIES = ("flute", "bass")
NOTES = [
    f"{family}_acoustic_{i:03d}-{pitch:03d}-100"
    for family in ("bass", "flute", "organ")
    for i in range(3)
    for pitch in (50, 60)
]


@pytest.fixture
def notes_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("WAVENET_AE_CACHE", str(tmp_path / "cache"))
    write_notes(tmp_path / "notes", NOTES)
    build(tmp_path / "notes", tmp_path / "datasets", "by_note")
    return str(tmp_path / "datasets")


def test_families_of_notes_are_domains(notes_dir, tmp_path, monkeypatch):
    opened = [
        open_split("nsynth_json/by_note", notes_dir, split, ("bass", "flute", "organ"))
        for split in ("train",)
    ]
    names = [note["id"] for split in opened for note in split]
    assert {name.split("_")[0] for name in names} == {"bass", "flute", "organ"}
    assert [name.split("_")[0] for name in names] == sorted(name.split("_")[0] for name in names)

    split = open_split("nsynth_json/by_note", notes_dir, "train", FAMILIES)
    of_families = {
        family: [
            split.sounds.read(int(sound), 0, nsynth.NOTE_SAMPLES)
            for sound in split.members[position]
        ]
        for position, family in enumerate(FAMILIES)
    }
    for batch in take(3, split, batch_size=4):
        assert batch["domain"].tolist() == [0, 0, 1, 1]
        for audio, domain in zip(batch["audio"], batch["domain"], strict=True):
            own = np.stack(of_families[FAMILIES[domain]])
            windows = np.lib.stride_tricks.sliding_window_view(own, CROP, axis=1)
            assert np.any(np.all(windows == audio, axis=2))

    # The labels are kept: opened again, no note is read.
    monkeypatch.setattr(domain_batches.NotesOfFamilies, "read", None)
    monkeypatch.setattr("wavenet_ae.data.stored_notes.Notes.families", None)
    again = open_split("nsynth_json/by_note", notes_dir, "train", FAMILIES)
    assert [m.tolist() for m in again.members] == [m.tolist() for m in split.members]
    for kept in (tmp_path / "cache" / "families").iterdir():
        kept.write_bytes(b"damaged")
    with pytest.raises(TypeError):  # they are read again
        open_split("nsynth_json/by_note", notes_dir, "train", FAMILIES)


def test_labels_are_read_again_where_they_cannot_be_kept(notes_dir, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WAVENET_AE_CACHE", str(tmp_path / "file"))
    split = open_split("nsynth_json/by_note", notes_dir, "train", FAMILIES)
    assert len(split) > 4


def test_an_unknown_family_is_named(notes_dir):
    with pytest.raises(UserError, match=r"no sounds of 'kazoo', only of bass, flute, organ"):
        open_split("nsynth_json/by_note", notes_dir, "train", ("bass", "kazoo"))
