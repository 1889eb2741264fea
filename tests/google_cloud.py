"""A bucket of Google Cloud Storage on this machine."""

import contextlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

# Each connection in its own thread: one of a paused process would otherwise hold up all others.
_SERVER = """
import http.server
import sys
from gcp_storage_emulator.server import create_server
http.server.HTTPServer = http.server.ThreadingHTTPServer
create_server("localhost", int(sys.argv[1]), in_memory=True, default_bucket="bucket").run()
"""


@contextlib.contextmanager
def serving_bucket() -> Iterator[dict[str, str]]:
    """Serves gs://bucket, empty, and yields the variables by which libraries find it."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    address = f"http://localhost:{port}"
    command = [sys.executable, "-c", _SERVER, str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as server:
        try:
            _wait_for(f"{address}/storage/v1/b")
            yield {
                "STORAGE_EMULATOR_HOST": address,
                "TENSORSTORE_GCS_HTTP_URL": address,
                # With it gcsfs asks what kind of bucket it is, in a protocol that is not served.
                "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
            }
        finally:
            server.kill()


def _wait_for(url: str) -> None:
    until = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        assert time.monotonic() < until
        time.sleep(0.1)
