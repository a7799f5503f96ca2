"""What a client of HTTP cannot make the server do, against a process of `baton serve`."""
import select
import socket

from api import HttpCase, main
from harness import WAIT


class Limits(HttpCase):
    def setUp(self):
        super().setUp()
        self.server = self.begin()
        self.ask = self.server.api.ask

    def test_many_pages_that_are_asked_for_at_once_are_not_made_at_once(self):
        self.check(self.ask("PUT", "/contexts/large", {"data_bytes_max": 1 << 20}), 201)
        for n in range(5):
            self.check(self.server.api.append("large", "s", "T", {"n": n, "text": "x" * 900_000}), 201 if n == 0 else 200)
        before = self.server.memory()
        requests = 64
        with socket.create_connection(("127.0.0.1", self.server.http_port), timeout=WAIT) as client:
            client.sendall(b"GET /streams/large/s?limit=10000 HTTP/1.1\r\nHost: localhost\r\n\r\n" * requests
                           + b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            # The requests come in one piece, so that all that may be begun has been when the first answer is there. A read of another client waits behind them:
            # when it is answered, they have been made. None of them is taken meanwhile.
            self.assertTrue(select.select([client], [], [], WAIT)[0])
            self.check(self.api(self.server).get("/streams/large/s?limit=1"), 200)
            self.assertLess(self.server.memory() - before, 80 << 20)
            answers = 0
            while part := client.recv(1 << 20):
                answers += part.count(b"HTTP/1.1 200 ")
        self.assertGreaterEqual(answers, requests - 2)  # a word may be cut in two


if __name__ == "__main__":
    main("__main__")
