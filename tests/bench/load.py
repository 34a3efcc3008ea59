"""Eight clients that send a photo again and again, in a process apart from the one that measures.

python -m tests.bench.load PORT PHOTO ROUNDS
"""

import os
import sys
import threading
from pathlib import Path

from tests.bench.stage import CHAT, chat
from tests.bench.wire import Client

_CLIENTS = 8


def main(port: int, photo: Path, rounds: int) -> int:
    # Clients are other machines: their work must not take the service's turn.
    os.nice(10)
    request = chat("What is in this picture?", 1, photo.read_bytes())
    failures: list[Exception] = []

    def ask() -> None:
        client = Client(port)
        try:
            for _ in range(rounds):
                client.post(CHAT, request)
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


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
