import os
import re
import signal
import socket
import urllib.error
import urllib.request

import entry_points
import jax
import midi_config
import pytest
from instruments import write_instrument

from wavenet_ae import tasks
from wavenet_ae.instrument import page, server
from wavenet_ae.training.trained import save_imported

RENDER = ["a.wav", "--render=no.mid", "--output=b.wav"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("instrument")
    write_instrument(folder, pitches=(60,), resolution=2)
    return folder


def fetch(url):
    with urllib.request.urlopen(url) as response:
        return response.read()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_page_and_its_files_are_served_until_the_end_is_asked_for(folder, stop):
    running = entry_points.start("play", folder, "--port=0")
    try:
        (url,) = re.findall(r"http://127\.0\.0\.1:\d+/", running.stdout.readline())
        assert fetch(url) == (folder / page.PAGE).read_bytes()
        assert fetch(f"{url}notes/0-60.wav") == (folder / "notes/0-60.wav").read_bytes()
        for outside in ("../instrument.json", "no_such.wav", "notes/"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                fetch(url + outside)
            refused.value.close()
            assert refused.value.code in (403, 404)
        running.send_signal(stop)
    finally:
        _, errors = running.communicate(timeout=20)
    assert (running.returncode, errors) == (0, "")


def test_mistakes_are_one_line(folder, tmp_path):
    refused = entry_points.run("play", tmp_path)
    entry_points.assert_refused(refused, "instrument.json cannot be read")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = entry_points.run("play", folder, f"--port={port}")
    entry_points.assert_refused(refused, f"port {port} is in use: end what uses it, or give --port")


def test_a_page_older_than_its_instrument_is_written_again(folder, tmp_path):
    write_instrument(tmp_path, pitches=(60,), resolution=2)
    server.application(tmp_path)
    first = (tmp_path / page.PAGE).stat().st_mtime_ns
    server.application(tmp_path)
    assert (tmp_path / page.PAGE).stat().st_mtime_ns == first
    os.utime(tmp_path / page.PAGE, (1, 1))
    server.application(tmp_path)
    assert (tmp_path / page.PAGE).stat().st_mtime > 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["a", "b"], "the folder of one rendered instrument is played"),
        ([__file__], "or add --live"),
        (["a.wav", "--live", "--render=a.mid", "--output=b.wav"], "exclude each other"),
        (["a.wav", "--render=a.mid"], "--output=FILE.wav belong together"),
        (["a.wav", "--output=a.wav"], "--output=FILE.wav belong together"),
        ([*RENDER, "--pad=0.5"], "--pad=0.5 must be two numbers from 0 to 1"),
        ([*RENDER, "--pad=0,2"], "--pad=0,2 must be two numbers from 0 to 1"),
        (RENDER, "no.mid cannot be read: No such file"),
        (["a.wav", "--render=no.mid", f"--output={__file__}"], "exists: name another file"),
        ([*RENDER, "--port=0"], "--port is only for the page: leave it out"),
        (["a.wav", "--live", "--pad=0,0"], "--pad is only for --render: leave it out"),
        (["a", "--voices=2"], "--voices is only for --live or --render: leave it out"),
        (["no_such.wav", "--live", "--port=0"], "no_such.wav"),
        ([], "no input is given: name one, or give --input=..."),
        (["--live"], "no input is given: name one, or give --input=..."),
        (["--live", "--checkpoint=pretrained"], "to play between: name one, two or four"),
        (["--live", "--checkpoint=pretrained/classifier"], "classifier"),
    ],
)
def test_flags_that_do_not_fit_are_named(arguments, reason):
    entry_points.assert_refused(entry_points.run("play", *arguments), reason)


def test_other_sites_are_refused(folder):
    running = entry_points.start("play", folder, "--port=0")
    try:
        (url,) = re.findall(r"http://127\.0\.0\.1:\d+/", running.stdout.readline())
        request = urllib.request.Request(url, headers={"Host": "attacker.example"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            fetch(request)
        refused.value.close()
        assert refused.value.code == 403
    finally:
        running.terminate()
        running.communicate(timeout=20)


@pytest.fixture(scope="module")
def of_notes(tmp_path_factory):
    weights = tasks.create(midi_config.CONFIG).init(jax.random.key(0))
    folder = tmp_path_factory.mktemp("midi") / "run"
    return save_imported(folder, midi_config.CONFIG, *weights, step=1).folder


def test_a_model_of_notes_is_served_without_sounds(of_notes):
    running = entry_points.start("play", "--live", f"--checkpoint={of_notes}", "--port=0")
    try:
        (url,) = re.findall(r"http://127\.0\.0\.1:\d+/", running.stdout.readline())
        assert b'"sounds": ["five"]' in fetch(url)
        running.send_signal(signal.SIGINT)
    finally:
        _, errors = running.communicate(timeout=20)
    assert running.returncode == 0
    assert "88 voices at once take" in errors


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--live", "a.wav"], "plays the instrument that it was trained on: leave out a.wav"),
        (["--live", "--voices=3"], "plays all keys as one: leave out --voices"),
        (["--live", "--nonames"], "plays without sound files: leave out --nonames"),
        (["a.wav", "--render=no.mid", "--output=b.wav"], "wavenet-ae perform FILE.mid"),
        (["--render=no.mid", "--output=b.wav"], "wavenet-ae perform FILE.mid"),
    ],
)
def test_what_a_model_of_notes_does_not_play(of_notes, arguments, reason):
    refused = entry_points.run("play", f"--checkpoint={of_notes}", *arguments)
    entry_points.assert_refused(refused, reason)
