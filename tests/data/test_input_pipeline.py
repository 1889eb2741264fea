import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap

import grain.python as grain
import numpy as np
import pytest
import soundfile
from absl import flags
from conftest import DUMMY_NOTES

from wavenet_ae.data import input_pipeline, nsynth
from wavenet_ae.data.input_pipeline import ProcessShare, evaluation_batches, training_batches
from wavenet_ae.system.errors import UserError


@pytest.fixture(scope="module")
def notes(data_dir):
    return input_pipeline.open_split("nsynth_json/by_note", str(data_dir), "train")


def take(count, notes, **settings):
    defaults = {"seed": 0, "batch_size": 4, "crop_samples": 100}
    batches = training_batches(notes, **{**defaults, **settings})
    return [next(batches) for _ in range(count)]


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])


def test_notes_have_flat_features(notes):
    assert len(notes) == 4
    note = notes[0]
    assert note["audio"].shape == (64_000,)
    assert note["audio"].dtype == np.float32
    stored, _ = soundfile.read(DUMMY_NOTES / "audio" / f"{note['id']}.wav", dtype="float32")
    np.testing.assert_array_equal(note["audio"], stored)
    assert note["qualities"].shape == (10,)
    assert note["qualities"].dtype == bool
    instrument, pitch, velocity = note["id"].split("-")
    assert (note["pitch"], note["velocity"]) == (int(pitch), int(velocity))
    assert instrument.startswith(("bass", "flute", "keyboard"))


def test_batches_are_crops_of_the_notes(notes):
    whole = {int(n["pitch"]) * 100 + int(n["family"]): n["audio"] for n in notes}
    for batch in take(3, notes):
        assert batch["audio"].shape == (4, 100)
        assert "id" not in batch
        for audio, pitch, family in zip(
            batch["audio"], batch["pitch"], batch["family"], strict=True
        ):
            windows = np.lib.stride_tricks.sliding_window_view(whole[pitch * 100 + family], 100)
            assert np.any(np.all(windows == audio, axis=1))


@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_batches_are_as_the_schema_describes_them(notes, noise):
    (batch,) = take(1, notes, decoder_input_noise=noise, crop_samples=128)
    arrays = nsynth.batch_arrays(len(batch["pitch"]), 128, decoder_input_noise=noise > 0)
    assert {name: (x.shape, x.dtype) for name, x in batch.items()} == arrays


def test_crops_are_made_louder_up_to_full_scale(notes):
    plain = np.concatenate([b["audio"] for b in take(8, notes)])
    louder = np.concatenate([b["audio"] for b in take(8, notes, gain_db=20.0)])
    assert np.array_equal(plain.any(axis=1), louder.any(axis=1))
    plain, louder = (batches[plain.any(axis=1)] for batches in (plain, louder))
    peaks = np.abs(plain).max(axis=1)
    gains = np.abs(louder).max(axis=1) / peaks
    np.testing.assert_allclose(louder, plain * gains[:, None], rtol=1e-5, atol=1e-7)
    assert np.all(gains > 0.999)
    assert np.all(gains <= np.minimum(10.001, 1.001 / peaks))
    assert len(set(gains.round(3))) > 4
    assert_same(take(8, notes, gain_db=20.0)[5:], take(3, notes, gain_db=20.0, first_step=5))


def test_as_many_notes_as_asked_are_degraded(notes):
    plain = np.concatenate([b["audio"] for b in take(32, notes)])
    some = np.concatenate([b["audio"] for b in take(32, notes, degradation=0.5)])
    changed = np.any(plain != some, axis=1)
    assert 0.2 < changed.mean() < 0.8
    assert_same(take(8, notes, degradation=0.5)[5:], take(3, notes, degradation=0.5, first_step=5))


def test_noise_is_drawn_for_every_crop_and_leaves_the_audio(notes):
    plain = take(64, notes)
    noisy = take(64, notes, decoder_input_noise=4.0)
    np.testing.assert_array_equal(plain[5]["audio"], noisy[5]["audio"])
    assert "decoder_input_noise" not in plain[0]
    noise = np.concatenate([b["decoder_input_noise"] for b in noisy])
    assert noise.dtype == np.int8
    assert noise.shape == (256, 100)
    deviations = noise.astype(float).std(axis=1)
    assert deviations.min() < 0.5
    assert 3 < deviations.max() < 5
    assert 1.7 < deviations.mean() < 2.3
    assert abs(noise.mean()) < 0.1
    assert_same(noisy[5:8], take(3, notes, decoder_input_noise=4.0, first_step=5))


def test_shaped_noise_is_added_to_the_other(notes):
    settings = {"decoder_input_noise": 0.1, "decoder_input_shaped_noise": 0.5}
    plain, noisy = take(8, notes, decoder_input_noise=0.1), take(8, notes, **settings)
    np.testing.assert_array_equal(plain[5]["audio"], noisy[5]["audio"])
    loud = np.concatenate([b["audio"].std(axis=1) > 0.01 for b in plain])
    white, both = (np.concatenate([b["decoder_input_noise"] for b in bs]) for bs in (plain, noisy))
    # Of shares from 0 to 0.5.
    assert np.median(both[loud].std(axis=1) - white[loud].std(axis=1)) > 2
    assert_same(noisy[5:8], take(3, notes, **settings, first_step=5))


def test_every_epoch_holds_every_note_in_another_order(notes):
    epochs = [tuple(zip(b["pitch"], b["family"], strict=True)) for b in take(8, notes)]
    assert all(len(set(epoch)) == 4 for epoch in epochs)
    assert len(set(epochs)) > 1


def test_a_batch_depends_on_seed_and_step_alone(notes):
    batches = take(6, notes)
    assert_same(take(3, notes, first_step=3), batches[3:])
    others = take(6, notes, seed=1)
    assert any(np.any(a["audio"] != b["audio"]) for a, b in zip(batches, others, strict=True))
    # Batches that do not divide the epoch are cut from the same endless order.
    rows = np.concatenate([b["audio"] for b in take(3, notes, batch_size=3)])
    whole = np.concatenate([b["audio"] for b in batches])
    np.testing.assert_array_equal(rows, whole[:9])


def test_processes_share_the_global_batch(notes):
    batches = take(3, notes)
    shares = [take(3, notes, share=ProcessShare(i, 2)) for i in range(2)]
    for whole, *parts in zip(batches, *shares, strict=True):
        for key in whole:
            np.testing.assert_array_equal(np.concatenate([p[key] for p in parts]), whole[key])
    with pytest.raises(UserError, match="batch_size=4 cannot be shared by 3 processes"):
        take(1, notes, share=ProcessShare(0, 3))


def test_worker_processes_change_nothing(notes):
    flags.FLAGS.mark_as_parsed()  # Grain's workers hand the flags on
    assert_same(take(3, notes, num_workers=1), take(3, notes))


def test_whole_notes_and_crops_that_are_too_long(notes):
    assert take(1, notes, crop_samples=None)[0]["audio"].shape == (4, 64_000)
    with pytest.raises(UserError, match="fewer than the crop of 64001"):
        take(1, notes, crop_samples=64_001)


def test_evaluation_runs_once_over_the_notes_and_masks_the_rest(notes):
    batches = list(evaluation_batches(notes, batch_size=3, crop_samples=100))
    assert [b["mask"].tolist() for b in batches] == [[True] * 3, [True, False, False]]
    seen = np.concatenate([b["audio"][b["mask"]] for b in batches])
    golden, places = (5**0.5 - 1) / 2, 64_000 - 100 + 1
    starts = [int(golden * (index + 1) % 1 * places) for index in range(len(notes))]
    crops = [note["audio"][i : i + 100] for i, note in zip(starts, notes, strict=True)]
    np.testing.assert_array_equal(seen, crops)
    for other in (
        evaluation_batches(notes, batch_size=3, crop_samples=100, num_workers=1),
        evaluation_batches(notes, batch_size=2, crop_samples=100),
    ):
        again = np.concatenate([b["audio"][b["mask"]] for b in other])
        np.testing.assert_array_equal(again, crops)
    assert len(list(evaluation_batches(notes, batch_size=1, crop_samples=8, num_batches=2))) == 2


def test_evaluation_is_shared_by_processes(notes):
    whole = list(evaluation_batches(notes, batch_size=2, crop_samples=100))
    shares = [
        list(evaluation_batches(notes, batch_size=2, crop_samples=100, share=ProcessShare(i, 2)))
        for i in range(2)
    ]
    for batch, *parts in zip(whole, *shares, strict=True):
        np.testing.assert_array_equal(np.concatenate([p["audio"] for p in parts]), batch["audio"])


def test_evaluation_crops_begin_as_evenly_as_those_of_training():
    silence = np.zeros(64_000, np.float32)
    silence[:] = np.arange(64_000)
    notes = grain.MapDataset.source([{"id": "a", "audio": silence}] * 500)
    batches = evaluation_batches(notes, batch_size=100, crop_samples=4_000)
    starts = np.sort(np.concatenate([batch["audio"][:, 0] for batch in batches]))
    np.testing.assert_allclose(starts / 60_000, (np.arange(500) + 0.5) / 500, atol=0.005)


def workers():
    return {child.pid for child in multiprocessing.active_children()}


def test_a_worker_that_dies_ends_the_run_with_a_reason(notes):
    flags.FLAGS.mark_as_parsed()
    batches = training_batches(notes, seed=0, batch_size=4, crop_samples=100, num_workers=2)
    next(batches)
    for pid in workers():
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(UserError, match=r"has died .*--config\.dataset\.num_workers=2"):
        for _ in batches:
            pass
    assert not workers()


def test_workers_leave_signals_to_their_parent_and_end_with_it(data_dir):
    script = """
        import multiprocessing, os, signal, sys, time
        from absl import flags
        from wavenet_ae.data import input_pipeline, nsynth
        if __name__ == "__main__":
            flags.FLAGS.mark_as_parsed()
            notes = input_pipeline.open_split("nsynth_json/by_note", sys.argv[1], "train")
            batches = input_pipeline.training_batches(
                notes, seed=0, batch_size=4, crop_samples=100, num_workers=2
            )
            for _ in range(4):  # from both
                next(batches)
            pids = [child.pid for child in multiprocessing.active_children()]
            for pid in pids:
                os.kill(pid, signal.SIGTERM)
                os.kill(pid, signal.SIGINT)
            for _ in range(100):
                next(batches)
            print(*pids, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), data_dir],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,  # while a worker lives, the pipe of its parent's output stays open
    )
    assert len(result.stdout.split()) == 2, result.stderr
