"""What a client of HTTP cannot make the server do, against a process of `baton serve`."""
import http.client
import resource
import select
import shutil
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

    def test_a_server_without_descriptors_says_so(self):
        self.stop(self.server)
        def prepare():  # the program raises its soft limit to the hard one
            resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
        server = self.begin(prepare=prepare)
        api = server.api
        made = 0
        for made in range(200):
            answer = api.append(f"context-{made}", "s", "T", {})
            if answer.status != 201:
                break
        self.assertEqual(self.check(answer, 503).json["code"], "resource_exhausted")
        self.assertIn("ulimit -n", answer.json["detail"])
        self.wait_for("a line in the log", lambda: any("appends are refused" in line and "ulimit -n" in line for line in server.log))
        self.assertEqual(self.check(api.get("/ready"), 503).json["code"], "resource_exhausted")
        self.check(api.append("context-0", "s", "T", {}), 200)  # what has its files open goes on
        self.stop(server)
        server = self.begin()
        self.check(server.api.get("/ready"), 200)
        self.check(server.api.append(f"context-{made}", "s", "T", {}), 201)
        self.assertEqual(self.check(server.api.get("/streams/context-0/s"), 200).json["last_version"], 1)

    def test_a_server_whose_directory_has_gone_acknowledges_nothing_and_ends(self):
        append = self.server.api.append
        self.check(append("rides", "s", "T", {}), 201)
        shutil.rmtree(self.data)
        ready = self.check(self.server.api.get("/ready"), 503).json
        self.assertEqual(ready["code"], "not_found")
        answers = []

        def refused():
            try:
                answers.append(append("rides", "s", "T", {}).status)
            except (OSError, http.client.HTTPException):
                return True
            return answers[-1] >= 500
        self.wait_for("a refusal", refused)
        self.assertLessEqual(set(answers), {200, 503})
        code, log = self.server.end()
        self.assertEqual(code, 1, log)
        self.assertIn("has been removed, moved or replaced", log)


if __name__ == "__main__":
    main("__main__")
