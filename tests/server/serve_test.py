#!/usr/bin/env python3
"""The program that serves, as a process: serve_test.py ECHO_SERVER."""
import os
import resource
import signal
import socket
import sys
import time
import unittest

from harness import WAIT, ServeCase

ServeCase.program = os.path.abspath(sys.argv.pop(1))


class Serve(ServeCase):
    def test_it_says_once_where_it_listens_and_that_is_this_machine_only(self):
        server = self.serve()
        listener = server.ready["listeners"][0]
        self.assertEqual((listener["name"], listener["address"], listener["advertised_host"]), ("kafka", "127.0.0.1", "127.0.0.1"))
        self.assertEqual(listener["advertised_port"], listener["port"])
        self.assertEqual((server.ready["data"], server.ready["epoch"]), (str(self.data), 1))
        self.assertEqual(server.client().ask("ehello"), "hello")
        self.stop(server)
        # What is advertised may differ from what is listened on.
        server = self.serve("--set", "kafka.advertised.host=broker.example", "--set", "kafka.advertised.port=19092")
        listener = server.ready["listeners"][0]
        self.assertEqual((listener["advertised_host"], listener["advertised_port"]), ("broker.example", 19092))
        self.stop(server)

    def test_a_stop_leaves_a_store_that_was_closed(self):
        server = self.serve()
        client = server.client()
        for n in range(20):
            self.assertEqual(client.ask('a{"n":%d}' % n), str(n))
        log = self.stop(server)
        self.assertIn("stopping connections=1", log)
        self.assertNotIn("warning", log)
        self.assertIsNone(client.receive())
        verified = self.run_program("--data", str(self.data), "verify", expect=0)
        self.assertIn("20 records", verified.stdout)
        self.assertEqual(self.serve().ready["epoch"], 2)

    def test_a_stop_by_the_terminal_is_a_stop_too(self):
        server = self.serve()
        server.signal(signal.SIGINT)
        self.assertEqual(server.end()[0], 0)

    def test_requests_in_flight_end_before_a_stop(self):
        server = self.serve()
        client, idle = server.client(), server.client()
        client.send("tslow")
        client.send("a{}")
        self.assertEqual(idle.ask("e1"), "1")
        server.wait_handled(3)
        server.signal(signal.SIGTERM)
        self.assertIsNone(idle.receive())
        self.assertEqual(client.receive(), "slow")
        self.assertEqual(client.receive(), "0")
        self.assertIsNone(client.receive())
        client.close()
        self.assertEqual(server.end()[0], 0)

    def test_a_stop_does_not_wait_longer_than_it_may(self):
        server = self.serve("--set", "shutdown_ms=200")
        client = server.client()
        client.send("l")
        server.wait_handled(1)
        started = time.monotonic()
        log = self.stop(server)
        self.assertIn("connections were cut off reason=shutdown_ms", log)
        self.assertLess(time.monotonic() - started, 10)
        self.run_program("--data", str(self.data), "verify", expect=0)

    def test_a_second_signal_ends_it_at_once(self):
        server = self.serve("--set", "shutdown_ms=3600000")
        client, idle = server.client(), server.client()
        client.send("l")
        self.assertEqual(idle.ask("e1"), "1")
        server.wait_handled(2)
        server.signal(signal.SIGTERM)
        self.assertIsNone(idle.receive())  # it is stopping
        server.signal(signal.SIGTERM)
        self.assertEqual(server.end()[0], 128 + signal.SIGTERM)

    def test_a_kill_loses_nothing_that_was_acknowledged(self):
        acknowledged = -1
        for _ in range(3):
            server = self.serve()
            client = server.client()
            for _ in range(50):
                acknowledged += 1
                self.assertEqual(client.ask("a{}"), str(acknowledged))
            server.signal(signal.SIGKILL)
            server.end()
        self.assertEqual(self.serve().client().ask("a{}"), str(acknowledged + 1))

    def test_a_store_that_ends_ends_the_process(self):
        server = self.serve(wrapper=("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=20+"))
        client = server.client()
        answers = [client.ask("a{}") for _ in range(40)]
        self.assertIn(None, answers)
        code, log = server.end()
        self.assertEqual(code, 1, log)
        self.assertIn("error the store has ended", log)
        # What was acknowledged is there; of the one whose sync failed nobody can say.
        self.assertIn(int(self.serve().client().ask("a{}")) - answers.index(None), (0, 1))


class Refused(ServeCase):
    def test_a_port_in_use_ends_with_8_and_leaves_the_store_alone(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            done = self.run_program("--data", str(self.data), "serve", "--kafka-port", str(port), "--http-port", "0", expect=8)
        self.assertIn(f"cannot listen on 127.0.0.1:{port}: Address already in use", done.stderr)
        self.assertFalse(self.data.exists())

    def test_a_directory_in_use_ends_with_6(self):
        self.serve()
        done = self.run_program("--data", str(self.data), "serve", "--kafka-port", "0", "--http-port", "0", expect=6)
        self.assertIn("locked", done.stderr)

    def test_a_wrong_configuration_ends_with_2_and_says_where(self):
        config = self.directory / "c.yaml"
        config.write_text("kafka:\n  prot: 1\n")
        done = self.run_program("serve", "--config", str(config), expect=2)
        self.assertIn(f"{config}:2: unknown key 'kafka.prot': did you mean 'port'?", done.stderr)
        for arguments, what in ((("--set", "kafka.port"), "KEY=VALUE"), (("--kafka-port", "x"), "0 to 65535"), (("--config", "/nowhere.yaml"), "/nowhere.yaml"),
                                (("--log-level", "loud"), "debug or info")):
            self.assertIn(what, self.run_program("serve", *arguments, expect=2).stderr)

    def test_other_machines_are_not_let_in_unless_it_is_said_so(self):
        done = self.run_program("serve", "--set", "kafka.address=0.0.0.0", "--set", "kafka.advertised.host=h", expect=2)
        self.assertIn("neither authentication nor TLS", done.stderr)
        server = self.serve("--insecure", "--set", "kafka.address=0.0.0.0", "--set", "kafka.advertised.host=h")
        self.assertEqual(server.client().ask("e1"), "1")

    def test_the_configuration_in_force_is_shown_with_its_sources(self):
        (self.directory / "baton.yaml").write_text("kafka:\n  port: 1\n")
        shown = self.run_program("--data", "/d", "config", "--set", "log.format=json", expect=0, environment={"BATON_LIMITS_IDLE_MS": "77"}).stdout
        for line in ("data: /d +# --data", "  port: 1 +# baton.yaml:2", "  idle_ms: 77 +# BATON_LIMITS_IDLE_MS", "  format: json +# --set", "  level: info +# default"):
            self.assertRegex(shown, line)


class Descriptors(ServeCase):
    # F25
    def test_without_descriptors_it_serves_on_waits_without_work_and_accepts_later(self):
        server = self.serve()
        first = server.client()
        self.assertEqual(first.ask("e1"), "1")
        server.limit_files(server.open_files() + 10)
        clients = [server.client() for _ in range(30)]  # the system's queue takes them
        for client in clients:
            client.send("e2")
        served = sum(client.receive() == "2" for client in clients[:10])
        self.assertEqual(served, 10)
        before = server.processor_seconds()
        clients[10].socket.settimeout(1)
        with self.assertRaises(TimeoutError):
            clients[10].receive()
        self.assertLess(server.processor_seconds() - before, 0.2)
        self.assertEqual(first.ask("e3"), "3")
        self.assertTrue(any("error connections wait listener=kafka reason=\"Too many open files\"" in line for line in server.log), server.log)
        for client in clients[:10]:
            client.close()
        clients[10].socket.settimeout(WAIT)
        for client in clients[10:20]:
            self.assertEqual(client.receive(), "2")
        server.limit_files(200)
        for client in clients[20:]:
            self.assertEqual(client.receive(), "2")
        self.stop(server)

    def test_the_stores_files_are_not_given_to_connections(self):
        server = self.serve(prepare=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)))
        self.assertIn("fewer connections than configured connections=50", "".join(server.log))
        clients = [server.client() for _ in range(60)]
        for client in clients[:50]:
            self.assertEqual(client.ask("e1"), "1")
        for client in clients[50:]:
            self.assertIsNone(client.receive())
        self.assertEqual(clients[0].ask("a{}"), "0")
        self.stop(server)


if __name__ == "__main__":
    unittest.main(verbosity=2)
