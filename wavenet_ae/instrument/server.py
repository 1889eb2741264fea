"""The server of an instrument's page, for this machine alone."""

import asyncio
import errno
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from wavenet_ae.instrument import page, rendered
from wavenet_ae.instrument.local_only import local_only
from wavenet_ae.system.errors import UserError

# Not the name, which may stand for another address first.
_HOST = "127.0.0.1"
_STOPS = (signal.SIGINT, signal.SIGTERM)


def application(folder: Path) -> web.Application:
    """Returns what answers with the page and the files of an instrument's folder.

    The page is written if it is missing, or older than the instrument.

    Raises:
        UserError: the folder holds no instrument, or the page cannot be written.
    """
    rendered.read(folder)
    path = folder / page.PAGE
    described = folder / rendered.DESCRIPTION
    if not path.exists() or path.stat().st_mtime < described.stat().st_mtime:
        page.write_page(folder)
    served = web.Application(middlewares=[local_only, fresh])
    served.router.add_get("/", lambda _: _answer(path))
    served.router.add_static("/", folder)
    return served


def serve(served: web.Application, port: int, announce: Callable[[str], None]) -> None:
    """Serves until Ctrl-C or SIGTERM.

    Args:
        served: see `application`.
        port: 0 for any that is free.
        announce: called with the address once it can be opened.

    Raises:
        UserError: the port cannot be used.
    """
    asyncio.run(_serve(served, port, announce))


def check_port(port: int) -> None:
    """Raises a UserError if a port cannot be used, before what takes longer."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server's own
        try:
            tried.bind((_HOST, port))
        except OSError as error:
            raise _explain(port, error) from error


async def _serve(served: web.Application, port: int, announce: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    for number in _STOPS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(served, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, _HOST, port).start()
        except OSError as error:
            raise _explain(port, error) from error
        announce(f"http://{_HOST}:{runner.addresses[0][1]}/")
        await stop.wait()
    finally:
        await runner.cleanup()


def _explain(port: int, error: OSError) -> UserError:
    if error.errno == errno.EADDRINUSE:
        return UserError(
            f"port {port} is in use: end what uses it, or give --port=0 for one that is free."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return UserError(f"port {port} needs rights that you do not have: give one above 1023.")
    return UserError(f"port {port} cannot be used ({error.strerror}): give another --port.")


async def _answer(path: Path) -> web.FileResponse:
    return web.FileResponse(path)


@web.middleware
async def fresh(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Lets browsers ask each time whether a file has changed, since instruments are made again."""
    response = await handler(request)
    response.headers["Cache-Control"] = "no-cache"
    return response
