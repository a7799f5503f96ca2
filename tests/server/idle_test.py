#!/usr/bin/env python3
"""10,000 connections from another process, nearly all of them idle (F43): idle_test.py ECHO_SERVER. Prints what they cost."""
import os
import selectors
import sys
import time
import unittest

from harness import ServeCase

ServeCase.program = os.path.abspath(sys.argv.pop(1))
CONNECTIONS = 10_000
BYTES_EACH_MAX = 8 << 10      # of the server's memory, a connection that has sent one request and waits
MEDIAN_MS_MAX = 5             # of a round trip beside them


class Idle(ServeCase):
    def round_trips(self, client, n):
        times = []
        for _ in range(n):
            started = time.perf_counter()
            self.assertEqual(client.ask("ehello"), "hello")
            times.append((time.perf_counter() - started) * 1e3)
        times.sort()
        return times[n // 2], times[n * 99 // 100]

    def test_ten_thousand_idle_connections_cost_little(self):
        server = self.serve("--set", "limits.connections_per_second=1000000")
        active = server.client()
        alone = self.round_trips(active, 2_000)
        before = server.memory()
        started = time.perf_counter()
        clients = [server.client() for _ in range(CONNECTIONS)]
        connected = time.perf_counter() - started
        # All have been served once.
        for client in clients:
            client.send("e1")
        for client in clients:
            self.assertEqual(client.receive(), "1")
        each = (server.memory() - before) / CONNECTIONS
        beside = self.round_trips(active, 2_000)
        idle_started = time.perf_counter()
        used = server.processor_seconds()
        selector = selectors.DefaultSelector()
        for client in clients[:100]:
            selector.register(client.socket, selectors.EVENT_READ)
        self.assertEqual(selector.select(timeout=2), [])  # none of them is closed
        idle = (server.processor_seconds() - used) / (time.perf_counter() - idle_started)
        print(f"{CONNECTIONS} connections in {connected:.2f} s ({CONNECTIONS / connected:,.0f}/s); {each:,.0f} bytes of RssAnon each, {server.memory() >> 20} MiB in all; "
              f"round trip p50/p99: alone {alone[0]:.3f}/{alone[1]:.3f} ms, beside them {beside[0]:.3f}/{beside[1]:.3f} ms; {idle:.1%} of a processor when all are idle")
        self.assertLess(each, BYTES_EACH_MAX)
        self.assertLess(beside[0], MEDIAN_MS_MAX)
        self.assertLess(idle, 0.05)
        for client in clients:
            client.close()
        self.assertEqual(active.ask("e2"), "2")
        self.stop(server)


if __name__ == "__main__":
    unittest.main(verbosity=2)
