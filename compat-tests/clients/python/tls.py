"""A TLS end in front of the gateway, as a load balancer is: clients send other payload forms over TLS than without.

It forwards bytes and looks at none of them.
"""

import contextlib
import os
import socket
import socketserver
import ssl
import threading
from urllib.parse import urlsplit

import trustme
from pocket_job import ENDPOINT, SCRATCH


def pump(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    # The other direction ends by it too.
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def tls_endpoint(endpoint=ENDPOINT):
    """(https URL, file with the authority's certificate); those of the gateway itself where it speaks TLS"""
    if endpoint.startswith("https:"):
        yield endpoint, os.environ["AWS_CA_BUNDLE"]
        return
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "*.localhost", "127.0.0.1").configure_cert(context)
    bundle = os.path.join(SCRATCH, "authority.pem")
    authority.cert_pem.write_to_path(bundle)
    behind = urlsplit(endpoint)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                with (
                    context.wrap_socket(self.request, server_side=True) as client,
                    socket.create_connection((behind.hostname, behind.port)) as server,
                ):
                    back = threading.Thread(target=pump, args=(server, client), daemon=True)
                    back.start()
                    pump(client, server)
                    back.join()

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Listener(("127.0.0.1", 0), Handler) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{listener.server_address[1]}", bundle
        listener.shutdown()
