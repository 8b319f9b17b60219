"""A kernel of a Jupyter server, by the server's own REST and websocket interface.

jupyter_server ships such a client, too, for its gateways. That one asks its queues
without a pause, so that each learner would cost a core of the machine that is measured.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.jsonutil import json_default
from jupyter_server.services.kernels.connection.base import deserialize_binary_message
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    websocket_connect,
)

from course_utils.authoring.load_test.server import KERNEL, Server

_CHANNELS = ("shell", "iopub", "stdin", "control")
_PATIENCE = 300.0  # seconds for one answer: at a start all kernels share the cores


def _request(server: Server, path: str, **options: Any) -> HTTPRequest:
    return HTTPRequest(
        server.url + path,
        headers={"Authorization": f"token {server.token}"},
        connect_timeout=_PATIENCE,
        request_timeout=_PATIENCE,
        **options,
    )


async def _ask(server: Server, path: str, **options: Any) -> bytes:
    # Of its own: the shared client serves ten requests at a time.
    client = AsyncHTTPClient(force_instance=True)
    try:
        return (await client.fetch(_request(server, path, **options))).body
    finally:
        client.close()


class _Channel:
    """One channel of a kernel, in the form in which jupyter_client knows channels."""

    def __init__(self, name: str, socket: WebSocketClientConnection) -> None:
        self._name = name
        self._socket = socket
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def put(self, message: dict[str, Any]) -> None:
        self._queue.put_nowait(message)

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        try:
            return await asyncio.wait_for(self._queue.get(), timeout)
        except asyncio.TimeoutError:
            raise Empty from None

    def send(self, message: dict[str, Any]) -> None:
        text = json.dumps({**message, "channel": self._name}, default=json_default)
        with contextlib.suppress(
            WebSocketClosedError
        ):  # then the kernel counts as dead
            self._socket.write_message(text)


class RemoteKernel(AsyncKernelClient):
    """What nbclient needs of a kernel, through one websocket."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        """Talk through ``socket``, which is connected to one kernel's channels."""
        super().__init__()
        self.allow_stdin = False
        self._socket = socket
        self._alive = True
        self._channels = {name: _Channel(name, socket) for name in _CHANNELS}

    async def read(self) -> None:
        """Put each message that comes into the queue of its channel, until the end."""
        try:
            while (text := await self._socket.read_message()) is not None:
                self._sort(text)
        finally:
            self._alive = False

    def _sort(self, text: str | bytes) -> None:
        binary = isinstance(text, bytes)
        message = deserialize_binary_message(text) if binary else json.loads(text)
        state = message["content"].get("execution_state")
        if message["msg_type"] == "status" and state in ("restarting", "dead"):
            self._alive = False  # the server starts another, which knows nothing
        self._channels[message["channel"]].put(message)

    @property
    def shell_channel(self) -> _Channel:
        """Requests and their replies."""
        return self._channels["shell"]

    @property
    def iopub_channel(self) -> _Channel:
        """Outputs and states."""
        return self._channels["iopub"]

    async def _async_is_alive(self) -> bool:
        return self._alive

    is_alive = _async_is_alive


@contextlib.asynccontextmanager
async def remote_kernel(server: Server, folder: str) -> AsyncIterator[RemoteKernel]:
    """Start a kernel on ``server``, and have the server end it after the block.

    Args:
        server: The server.
        folder: Working directory of the kernel, below the server's root.

    Raises:
        HTTPClientError: If the server refuses.
        RuntimeError: If the kernel does not answer.
    """
    body = json.dumps({"name": KERNEL, "path": folder})
    started = await _ask(server, "api/kernels", method="POST", body=body)
    path = f"api/kernels/{json.loads(started)['id']}"
    try:
        request = _request(server, f"{path}/channels")
        request.url = request.url.replace("http", "ws", 1)
        socket = await websocket_connect(request)
        kernel = RemoteKernel(socket)
        reading = asyncio.ensure_future(kernel.read())
        try:
            await kernel.wait_for_ready(timeout=_PATIENCE)
            yield kernel
        finally:
            socket.close()
            await reading
    finally:
        with contextlib.suppress(HTTPClientError):  # it has ended already
            await _ask(server, path, method="DELETE")
