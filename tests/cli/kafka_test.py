#!/usr/bin/env python3
"""baton topics, produce, consume, groups and acls against `baton serve`: kafka_test.py BATON."""
import json
import os
import signal
import socket
import struct
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "server"))

from harness import ServeCase  # noqa: E402
from kafka_cases import AnyCluster, KafkaCli  # noqa: E402

ServeCase.program = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "baton"


class Between:
    """Stands before a broker and passes on what clients send, but for the requests of one API behind the first few: these are told, and never answered."""

    def __init__(self, swallowed, behind=0):
        self.swallowed = swallowed
        self.left = behind
        self.broker = None
        self.seen = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.broker))
            except OSError:  # it has ended
                client.close()
                continue
            threading.Thread(target=self._requests, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answers, args=(server, client), daemon=True).start()

    def _requests(self, client, server):
        frames = client.makefile("rb")
        try:
            while len(head := frames.read(4)) == 4:
                frame = frames.read(struct.unpack(">i", head)[0])
                asked = struct.unpack(">h", frame[:2])[0] == self.swallowed
                if asked and self.left == 0:
                    self.seen.set()
                    continue
                self.left -= asked
                server.sendall(head + frame)
            server.shutdown(socket.SHUT_RDWR)
        except (OSError, struct.error):
            pass  # one of them has gone
        frames.close()
        client.close()

    @staticmethod
    def _answers(server, client):
        try:
            while part := server.recv(1 << 16):
                client.sendall(part)
        except OSError:
            pass  # the client has gone
        server.close()

    def close(self):
        self.listener.close()


class BatonCase(ServeCase):
    settings = ()

    def setUp(self):
        super().setUp()
        self.server = self.serve(*self.settings)
        self.bootstrap = f"127.0.0.1:{self.server.port}"


class Baton(AnyCluster, BatonCase):
    settings = ("--set", "access.enabled=true", "--set", "access.allow_without_acl=true", "--set", "access.super_users=User:ANONYMOUS")


class BatonsOwn(KafkaCli, BatonCase):
    def test_a_topic_of_events_takes_events_and_says_which_line_is_none(self):
        self.topic("rides", 4, "baton.kind=event")
        self.run_baton("produce", "rides", "--key-separator", ":", "--header", "ce_type=RideStarted",
                       text="".join(f'ride-{n}:{{"bike":{n}}}\n' for n in range(50)))
        self.assertEqual(len(self.lines("consume", "rides", "--until-end")), 50)
        self.assertEqual(self.lines("topics", "describe", "rides")[0]["config"]["baton.kind"], "event")
        without_key = self.error("produce", "rides", "--header", "ce_type=RideStarted", text="{}\n", expect=2)
        self.assertIn("standard input: line 1: INVALID_RECORD", without_key)
        self.assertIn("an event topic wants a key and the header ce_type", without_key)
        self.assertIn("POLICY_VIOLATION", self.error("topics", "delete", "rides", expect=2))

    def test_an_expected_version_that_does_not_hold_is_refused_alone(self):
        self.topic("rides", 1, "baton.kind=event")
        event = lambda stream, expected: json.dumps({  # noqa: E731
            "key": stream, "value": {"bike": 1},
            "headers": [{"name": "ce_type", "value": "T"}] + ([{"name": "baton-expected-version", "value": expected}] if expected else [])})
        lines = [event("a", "no-stream"), event("b", None), event("a", "no-stream"), event("c", None), event("a", "0")]
        refused = self.run_baton("--json", "produce", "rides", text="\n".join(lines), expect=4)
        self.assertEqual(json.loads(refused.stdout), {"acknowledged": 2, "failed": 1, "unanswered": 0})
        problem = json.loads(refused.stderr.splitlines()[-1])
        self.assertEqual(problem["error"], "wrong_version")
        self.assertIn("line 3: INVALID_RECORD", problem["detail"])
        self.assertIn("baton-expected-version does not hold", problem["detail"])
        went_on = self.run_baton("--json", "produce", "rides", "--keep-going", text="\n".join(lines[2:]), expect=4)
        self.assertEqual(json.loads(went_on.stdout), {"acknowledged": 2, "failed": 1, "unanswered": 0})
        self.assertEqual(json.loads(went_on.stderr.splitlines()[0]) | {"detail": ""}, {"error": "INVALID_RECORD", "detail": "", "line": 1, "last_line": 1})
        self.assertEqual([r["key"] for r in self.lines("consume", "rides", "--until-end")], ["a", "b", "c", "a"])

    def test_a_topic_is_made_on_the_way_only_when_told(self):
        self.run_baton("produce", "fresh", text="x\n", expect=5)
        self.run_baton("produce", "fresh", "--create", text="x\n")
        self.assertEqual(self.run_baton("consume", "fresh", "--until-end").stdout, b"x\n")

    def test_without_access_control_there_are_no_entries(self):
        for arguments in (["add", "User:a", "--topic", "t", "--operation", "read"], ["remove", "--all"]):
            self.assertIn("access.enabled is false", self.error("acls", *arguments, expect=1))

    def restart(self, *settings):
        self.stop(self.server)
        self.server = self.serve(*settings)
        self.bootstrap = f"127.0.0.1:{self.server.port}"

    def test_what_an_entry_allows_is_all_that_a_client_may(self):
        guarded = ("--set", "access.enabled=true")
        self.restart(*guarded, "--set", "access.super_users=User:ANONYMOUS")
        self.run_baton("acls", "add", "User:ANONYMOUS", "--host", "127.0.0.1", "--topic", "rides", "--produce")
        self.restart(*guarded)
        self.run_baton("produce", "rides", "--create", text="x\n")
        self.run_baton("produce", "other", "--create", text="x\n", expect=1)
        self.assertIn("AUTHORIZATION_FAILED", self.error("consume", "rides", "--until-end", expect=1))
        for arguments in (["add", "User:ANONYMOUS", "--topic", "rides", "--consume"], ["remove", "--all"]):
            self.assertIn("AUTHORIZATION_FAILED", self.error("acls", *arguments, expect=1))
        self.assertIn("does not show its entries", self.error("acls", "list"))

    def test_a_server_that_is_not_there_is_said_at_once(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))  # and never listens
            address = f"127.0.0.1:{closed.getsockname()[1]}"
            for command in (["topics", "list"], ["produce", "t"], ["consume", "t"], ["consume", "t", "--group", "g"], ["groups", "list"], ["acls", "list"]):
                problem = self.error(*command, "--bootstrap", address, expect=1)
                self.assertIn(f"no Kafka broker answers at {address}", problem)
                self.assertIn("start one with 'baton serve'", problem)
            # One that takes connections and says nothing.
            closed.listen()
            self.assertIn("answers in time", self.error("topics", "list", "--bootstrap", address, "--timeout", "0.5", expect=1))

    def test_a_server_that_goes_away_loses_nothing_silently(self):
        self.topic("t")
        reader = self.start("consume", "t", "--group", "g")
        self.fill("t", 2)
        self.assertEqual([reader.stdout.readline() for _ in range(2)], [b"0\n", b"1\n"])
        self.stop(self.server)
        self.assertIn(f"no broker answers at {self.bootstrap}".encode(), reader.stderr.readline())
        # It waits, and goes on when the server is there again.
        self.server = self.serve(port=self.server.port)
        self.fill("t", 1, first=2)
        self.assertEqual(reader.stdout.readline(), b"2\n")
        reader.send_signal(signal.SIGINT)
        self.finish(reader)
        self.assertEqual(self.committed("g"), {0: 3})

    def test_a_consumer_ends_also_when_its_server_does_not_come_back(self):
        self.topic("t")
        reader = self.start("consume", "t", "--group", "g")
        self.fill("t", 2)
        self.assertEqual([reader.stdout.readline() for _ in range(2)], [b"0\n", b"1\n"])
        self.server.kill()
        self.assertIn(f"no broker answers at {self.bootstrap}".encode(), reader.stderr.readline())
        reader.send_signal(signal.SIGINT)
        # 0 when it had committed before, 1 when it says that these two come again.
        out, err = reader.communicate(timeout=20)
        self.assertEqual(reader.returncode, 1 if b"may come again" in err else 0, err)

    def test_a_signal_ends_the_wait_for_an_answer_that_does_not_come(self):
        create_topics = 19
        between = Between(create_topics)
        self.addCleanup(between.close)
        self.restart("--set", f"kafka.advertised.port={between.port}")
        between.broker = self.server.port
        self.bootstrap = f"127.0.0.1:{between.port}"
        for number in (signal.SIGINT, signal.SIGTERM):
            between.seen.clear()
            process = self.start("topics", "create", "t", "--timeout", "3600")
            self.assertTrue(between.seen.wait(20), "it does not ask")
            process.send_signal(number)
            _, err = process.communicate(timeout=20)
            self.assertNotEqual(process.returncode, 0)
            self.assertIn(b"topic 't': stopped by a signal before there was an answer: what was asked for may have been done", err)

    def test_records_that_nobody_acknowledges_are_named_by_their_lines(self):
        produce = 0
        between = Between(produce, behind=1)
        self.addCleanup(between.close)
        self.restart("--set", f"kafka.advertised.port={between.port}")
        between.broker = self.server.port
        self.bootstrap = f"127.0.0.1:{between.port}"
        self.topic("t")
        writer = self.start("produce", "t", "--timeout", "2", stdin=-1)
        writer.stdin.write(b"one\n")
        writer.stdin.flush()
        self.assertEqual(self.run_baton("consume", "t", "--max", "1").stdout, b"one\n")
        writer.stdin.write(b"two\nthree\n")
        out, err = self.finish(writer, expect=1)
        self.assertEqual(out, b"1 record acknowledged, 2 not\n")
        self.assertIn(b"lines 2 to 3: _MSG_TIMED_OUT", err)
        self.assertIn(b"2 records were not acknowledged; the first: standard input: line 2", err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
