"""A queue with one server: answers one request at a time, each after exactly so many seconds of service.

    python serial_server.py SECONDS     prints its port

The times of service follow each other on a grid of their own, so that a late wake-up does not slow the queue down.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time
from collections import deque

REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def main(service: float) -> None:
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listening.getsockname()[1], flush=True)
    selector = selectors.DefaultSelector()
    selector.register(listening, selectors.EVENT_READ)
    waiting: deque[tuple[float, socket.socket]] = deque()
    free_at = 0.0
    while True:
        for key, _ in selector.select(0 if waiting else None):
            client = key.fileobj
            assert isinstance(client, socket.socket)
            if client is listening:
                selector.register(listening.accept()[0], selectors.EVENT_READ)
            elif client.recv(65_536):
                waiting.append((time.monotonic(), client))
            else:
                selector.unregister(client)
                client.close()
        if waiting:
            arrived, client = waiting.popleft()
            free_at = max(arrived, free_at) + service
            time.sleep(max(0.0, free_at - time.monotonic()))
            client.sendall(REPLY)


if __name__ == "__main__":
    main(float(sys.argv[1]))
