"""What the tests of the clients share: a server of their own, and what is looked at from outside."""
import json
import os
import random
import signal
import socket
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "server"))

import clients  # noqa: E402
from harness import WAIT, ServeCase, Server  # noqa: E402

ServeCase.program = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "baton"


def free_port():
    """One that the system gives to nobody else by itself, so that a server that was killed gets it again."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(min(20_000, low - 5_000), low)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class ClientCase(ServeCase):
    settings = ()

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.start()

    def start(self):
        arguments = [a for setting in self.settings for a in ("--set", setting)]
        self.server = Server(self.program, self.data, *arguments, port=self.port)
        self.addCleanup(self.server.kill)
        self.assertIsNotNone(self.server.ready, self.server.log)
        self.bootstrap = f"127.0.0.1:{self.port}"

    def kill_and_restart(self):
        self.server.signal(signal.SIGKILL)
        self.server.end()
        self.start()

    def client(self, kind):
        return kind(self.bootstrap)

    def make_topic(self, name, partitions=1, **settings):
        made = self.client(clients.Confluent).create(name, partitions, {k.replace("_", "."): v for k, v in settings.items()})
        self.assertEqual(made.error, 0, made.text)

    def baton(self, *arguments, expect=0):
        """What a command that may run beside the server prints, a JSON object a line."""
        done = self.run_program("--data", str(self.data), "--json", *map(str, arguments), expect=expect)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def assert_same(self, got, expected):
        """Of long lists: the first element that differs."""
        for i, (a, b) in enumerate(zip(got, expected)):
            self.assertEqual(a, b, f"element {i}")
        self.assertEqual(len(got), len(expected))

    def check_sound(self):
        """`verify` finds nothing wrong. The server is not running."""
        self.assertEqual(self.baton("verify")[-1]["findings"], 0)

    def assert_all(self, outcomes, error=0):
        self.assertEqual({(o.error, o.text) for o in outcomes if o.error != error}, set())


def main():
    unittest.main(verbosity=2, warnings="ignore")


__all__ = ["WAIT", "ClientCase", "clients", "main"]
