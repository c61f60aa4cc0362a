"""A hub on 127.0.0.1 that serves one repository from a folder, slowly if asked to."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REVISION = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub(repository: str, folder: Path, pause_seconds: float = 0.0) -> Iterator[str]:
    """Serve `folder` as `repository`; gives the address for HF_ENDPOINT."""

    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def answer(self, with_body: bool) -> None:
            path = self.path.split("?")[0]
            name = path.rsplit("/", 1)[-1]
            if path.startswith(f"/api/models/{repository}"):
                self.send(json.dumps(description()).encode(), {}, with_body)
            elif path.startswith(f"/{repository}/resolve/") and (folder / name).is_file():
                body = (folder / name).read_bytes()
                tag = hashlib.sha256(body).hexdigest()
                self.send(body, {"ETag": f'"{tag}"', "X-Repo-Commit": REVISION}, with_body)
            else:
                self.send_error(404)

        def send(self, body: bytes, headers: dict[str, str], with_body: bool) -> None:
            self.send_response(200)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            for start in range(0, len(body) if with_body else 0, 2**20):
                self.wfile.write(body[start : start + 2**20])
                time.sleep(pause_seconds)

        def log_message(self, *args: object) -> None:
            """Nothing on the terminal."""

    def description() -> dict[str, object]:
        files = [{"rfilename": f.name, "size": f.stat().st_size} for f in sorted(folder.iterdir())]
        return {"id": repository, "modelId": repository, "sha": REVISION, "siblings": files}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
