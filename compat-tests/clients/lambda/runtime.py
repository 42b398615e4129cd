"""Lambda's side of a function: the runtime API (version 2018-06-01) that its process asks for events and gives its
answers to.
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pocket_job import page_lines

API = "/2018-06-01/runtime"
# Of one call; Lambda's own bound is a quarter of an hour.
LIMIT_SECONDS = 60


class FunctionError(Exception):
    """What the function raised: the name of the exception's type, and its message."""


class Function:
    """One instance of a function: its process under the runtime interface client takes one event at a time."""

    def __init__(self, handler, endpoint):
        self.name = handler
        # (id, event), and what came back for it: None or an error's type, and a document.
        self.events, self.answers = queue.Queue(1), queue.Queue(1)
        self.api = ThreadingHTTPServer(("127.0.0.1", 0), self._api())
        self.api.daemon_threads = True
        threading.Thread(target=self.api.serve_forever, daemon=True).start()
        environment = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.api.server_address[1]}",
            "AWS_LAMBDA_FUNCTION_NAME": handler,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        }
        # What docs/clients.md says that a function's configuration needs.
        environment |= dict(line.split("=", 1) for line in page_lines(endpoint).splitlines())
        command = [sys.executable, "-m", "awslambdaric", f"functions.{handler}"]
        folder = Path(__file__).parent
        self.process = subprocess.Popen(command, cwd=folder, env={**os.environ, **environment})

    def __call__(self, event):
        """Calls the function, as an event source that waits for the answer."""
        self.events.put((uuid.uuid4().hex, event), timeout=LIMIT_SECONDS)
        error, document = self.answers.get(timeout=LIMIT_SECONDS)
        if error is not None:
            raise FunctionError(error, document["errorMessage"])
        return document

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.api.shutdown()
        self.api.server_close()

    def _api(function):
        class Api(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if self.path != f"{API}/invocation/next":
                    return self.answer(404)
                call, event = function.events.get()
                deadline = int((time.time() + LIMIT_SECONDS) * 1000)
                arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function.name}"
                headers = {"Aws-Request-Id": call, "Deadline-Ms": str(deadline), "Invoked-Function-Arn": arn}
                self.answer(200, event, {f"Lambda-Runtime-{name}": value for name, value in headers.items()})

            def do_POST(self):
                document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.answer(202, {"status": "OK"})
                error = document["errorType"] if self.path.endswith("/error") else None
                function.answers.put((error, document))

            def answer(self, status, document=None, headers={}):
                body = json.dumps(document).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """The functions' own lines are enough."""

        return Api
