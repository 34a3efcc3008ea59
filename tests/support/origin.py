"""A web server that answers as a test tells it, and remembers what it was asked."""

import socket
import ssl
import threading
from collections.abc import Mapping
from types import TracebackType


class Origin:
    """Serves raw HTTP responses by path on a loopback port.

    Attributes:
        guarded: what is answered instead to a request without an Authorization header, by path.
        endless: what is sent before the connection is left open until the client leaves, by path.
        asked: the head of every request, in order.
        left: the paths whose clients left before they had a whole answer, in order.
    """

    def __init__(self, responses: Mapping[str, bytes], tls: ssl.SSLContext | None = None) -> None:
        self.responses = dict(responses)
        self.guarded: dict[str, bytes] = {}
        self.endless: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.left: list[str] = []
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> "Origin":
        self._server = threading.Thread(target=self._serve)
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # ends accept(), which a close from another thread does not
        self._server.join()
        self._listener.close()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as stream:
                head = b""
                while b"\r\n\r\n" not in head:
                    received = stream.recv(4096)
                    if not received:  # the client has left
                        return
                    head += received
                self.asked.append(head.decode())
                path = head.split()[1].decode()
                if path in self.guarded and b"\r\nAuthorization:" not in head:
                    stream.sendall(self.guarded[path])
                elif path in self.endless:
                    stream.sendall(self.endless[path])
                    stream.recv(1)
                    self.left.append(path)
                else:
                    stream.sendall(self.responses.get(path, response(b"", "404 Not Found")))
        except OSError:
            return


def response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A whole HTTP response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return response(b"", status, f"Location: {location}")
