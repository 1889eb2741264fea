"""Serves a rendered instrument's page on this machine, to play it in a browser.

Usage: wavenet-ae play DIR

    wavenet-ae play instrument
    wavenet-ae play instrument --port=9000

DIR is a folder that wavenet-ae instrument has written. The page (index.html) is written if it is
missing or older than the instrument. Only this machine can open the address that is printed;
Ctrl-C ends the server. A page below 40 MB holds its sounds and can also be opened without a server.
"""

from absl import flags

from wavenet_ae.cli.command_line import define_path, take_arguments

_INSTRUMENT = take_arguments(
    define_path("instrument", "The folder of a rendered instrument."), required=True
)
_PORT = flags.DEFINE_integer(
    "port", 8765, "Of the address; 0 for any that is free.", lower_bound=0, upper_bound=65535
)


def main() -> None:
    """Serves the page until Ctrl-C."""
    from wavenet_ae.instrument import server

    served = server.application(_INSTRUMENT.value)
    server.serve(
        served, _PORT.value, lambda url: print(f"open {url} (Ctrl-C ends the server)", flush=True)
    )
