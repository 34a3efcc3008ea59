"""Eight clients that send a photo again and again, in a process apart from the one that measures.

python -m tests.bench.load PORT PATH PHOTO ROUNDS
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.stage import chat
from tests.bench.wire import Client

_CLIENTS = 8
_BYTES_PER_SECOND = 110e6 / _CLIENTS  # what gigabit Ethernet carries
_PIECE = 64 * 1024


def main(port: int, path: str, photo: Path, rounds: int) -> int:
    # Clients are other machines: their work must not take the service's turn.
    os.nice(10)
    request = chat("What is in this picture?", 1, photo.read_bytes())
    failures: list[Exception] = []

    def ask() -> None:
        client = Client(port)
        try:
            for _ in range(rounds):
                client.post_pieces(path, _paced(request), len(request))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(_CLIENTS)]
    print(flush=True)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def _paced(body: bytes) -> Iterator[bytes]:
    """A body as it comes over a network: on the loopback all of it would be there at once."""
    begun = time.monotonic()
    for at in range(0, len(body), _PIECE):
        time.sleep(max(0.0, begun + at / _BYTES_PER_SECOND - time.monotonic()))
        yield body[at : at + _PIECE]


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
