"""Keeps pages of other sites from what this machine serves to itself.

A site can make its own name stand for this machine (DNS rebinding), and any site may open a
WebSocket to it. Both show in a request's headers.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web


@web.middleware
async def local_only(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuses requests under another name than this machine's own, or from pages elsewhere."""
    if not _is_this_machine(request.host):
        raise web.HTTPForbidden(text="Open the address that wavenet-ae play has printed.")
    origin = request.headers.get("Origin")  # browsers send it with every WebSocket
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise web.HTTPForbidden(text="Pages of other sites are not answered.")
    return await handler(request)


def _is_this_machine(host: str) -> bool:
    """Returns whether a Host header, which may have a port, names this machine."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
