"""A server with the routes of the Hugging Face hub that fetching a repository needs."""

import contextlib
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator, Mapping

COMMIT = "c" * 40


@contextlib.contextmanager
def serving(files: Mapping[str, bytes], private: bool = False) -> Iterator[tuple[str, list[str]]]:
    """Serves these files as the repository owner/name; gives the address and what was asked for."""
    requests: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            path = self.path.partition("?")[0]
            requests.append(f"{self.command} {path}")
            name = path.rpartition("/")[2]
            token = self.headers.get("Authorization")
            if private and token != "Bearer secret":
                self.answer(401, b"{}", {"X-Error-Code": "RepoNotFound"})
            elif path == "/api/models/owner/name/revision/none":
                self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            elif path.startswith(f"/api/models/owner/name/tree/{COMMIT}"):
                self.answer(200, json.dumps([self.entry(*file) for file in files.items()]).encode())
            elif path.startswith("/api/models/owner/name"):
                siblings = [{"rfilename": name, "size": len(files[name])} for name in files]
                about = {"id": "owner/name", "sha": COMMIT, "siblings": siblings, "tags": []}
                self.answer(200, json.dumps(about).encode())
            elif path.startswith(f"/owner/name/resolve/{COMMIT}/") and name in files:
                etag = f'"{hashlib.sha256(files[name]).hexdigest()}"'
                self.answer(200, files[name], {"ETag": etag, "X-Repo-Commit": COMMIT})
            else:
                self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

        @staticmethod
        def entry(name, content):
            digest = hashlib.sha1(content).hexdigest()
            return {"type": "file", "path": name, "size": len(content), "oid": digest}

        def answer(self, code, body, headers=()):
            self.send_response(code)
            for name, value in {**dict(headers), "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    with http.server.ThreadingHTTPServer(("localhost", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}", requests
        server.shutdown()
