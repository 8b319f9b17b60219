"""A folder served to this machine alone, as a web server would."""

import contextlib
import functools
import http.server
import threading
from pathlib import Path


@contextlib.contextmanager
def served(folder: Path):
    """Serve a folder on the loopback; yield its address and the paths asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
