"""Contexts, server-sent events and the service over HTTP, against a process of `baton serve`."""
import http.client
import re
import signal
import socket
import subprocess
import threading

from api import BATCH, Answer, HttpCase, main
from harness import WAIT


class Contexts(HttpCase):
    def setUp(self):
        super().setUp()
        self.server = self.begin()
        self.ask = self.server.api.ask

    def test_an_append_over_streams_is_all_or_nothing(self):
        def append(*streams, **more):
            return self.ask("POST", "/contexts/shop/append", {"streams": list(streams)} | more)
        def stream(name, expect="any", **event):
            return {"stream": name, "expect": expect, "events": [{"type": "T", "tags": ["cart:1"]} | event]}
        done = self.check(append(stream("a-1", "no-stream", data={"x": 1}), stream("b-1", data=[1])), 200).json
        self.assertEqual([e["version"] for e in done["events"]], [0, 0])
        self.check(append(stream("a-2"), stream("b-1", 7)), 412)
        self.check(self.server.api.get("/streams/shop/a-2"), 404)
        query = {"query": [{"types": ["T"], "tags": ["cart:1"]}]}
        self.assertEqual(self.check(append(stream("a-2"), unless=query), 409).json["code"], "condition_failed")
        self.check(append(stream("a-2"), unless=query | {"after": done["position"]}), 200)
        self.check(append(stream("a-2"), unles=query), 400)
        self.check(self.ask("POST", "/contexts/shop/append", "[]"), 400)

    def test_a_batch_keeps_its_order_over_streams(self):
        batch = [{"specversion": "1.0", "id": f"e-{n}", "source": "/t", "type": "T", "partitionkey": key, "data": n} for n, key in enumerate("abacbb")]
        done = self.check(self.ask("POST", "/contexts/c/events", batch, Content_Type=BATCH), 200).json
        self.assertEqual([(e["id"], e["version"], e["offset"]) for e in done["events"]],
                         [("e-0", 0, 0), ("e-1", 0, 1), ("e-2", 1, 2), ("e-3", 0, 3), ("e-4", 1, 4), ("e-5", 2, 5)])
        self.assertEqual([e["data"] for e in self.server.api.get("/contexts/c/events").json["events"]], list(range(6)))
        again = self.check(self.ask("POST", "/contexts/c/events?duplicates=skip", batch[3:] + batch[:1], Content_Type=BATCH), 200).json
        self.assertEqual([(e["id"], e["offset"], e["duplicate"]) for e in again["events"]], [("e-3", 3, True), ("e-4", 4, True), ("e-5", 5, True), ("e-0", 0, True)])

    def test_a_context_is_read_by_position_and_filters(self):
        for n in range(6):
            self.server.api.append("c", f"{'ab'[n % 2]}-{n}", "AB"[n // 3], {"n": n}, f"&tag=t:{n % 3}")
        def numbers(query):
            return [e["data"]["n"] for e in self.check(self.server.api.get("/contexts/c/events?" + query), 200).json["events"]]
        self.assertEqual(numbers(""), [0, 1, 2, 3, 4, 5])
        self.assertEqual(numbers("type=B"), [3, 4, 5])
        self.assertEqual(numbers("type=A&type=B&tag=t:1"), [1, 4])
        self.assertEqual(numbers("key_prefix=a-"), [0, 2, 4])
        self.assertEqual(numbers("category=b"), [1, 3, 5])
        self.assertEqual(numbers("backward=true&limit=2"), [5, 4])
        first = self.server.api.get("/contexts/c/events?limit=4").json
        self.assertFalse(first["at_end"])
        rest = self.server.api.get("/contexts/c/events?after=" + first["next"]).json
        self.assertEqual([e["data"]["n"] for e in rest["events"]], [4, 5])
        self.assertTrue(rest["at_end"])
        self.assertEqual(self.server.api.get("/contexts/c/position").json["position"], rest["next"])
        self.check(self.server.api.get("/contexts/none/events"), 404)
        self.check(self.server.api.get("/contexts/c/events?after=nonsense"), 400)

    def test_contexts_are_made_and_changed(self):
        made = self.check(self.ask("PUT", "/contexts/pay", {"partitions": 4, "partitioner": "crc32", "default_type": "Paid"}), 201).json
        self.assertEqual((made["options"]["partitions"], made["options"]["partitioner"]), (4, "crc32"))
        self.check(self.ask("PUT", "/contexts/pay"), 409)
        refused = self.check(self.ask("PATCH", "/contexts/pay", {"data_bytes_max": 2000, "retention_ms": 1000}), 400)
        self.assertIn("history_deletable", refused.json["detail"])
        changed = self.check(self.ask("PATCH", "/contexts/pay", {"data_bytes_max": 2000, "retention_ms": 1000, "history_deletable": True}), 200).json["options"]
        self.assertEqual((changed["data_bytes_max"], changed["retention_ms"], changed["default_type"]), (2000, 1000, "Paid"))
        self.assertNotIn("retention_ms", self.check(self.ask("PATCH", "/contexts/pay", {"retention_ms": None, "history_deletable": False}), 200).json["options"])
        self.assertIn("partitons", self.check(self.ask("PATCH", "/contexts/pay", {"partitons": 2}), 400).json["detail"])
        self.check(self.ask("PATCH", "/contexts/pay", {"partitions": 2}), 400)
        self.check(self.ask("PUT", "/contexts/Bad"), 400)
        self.assertEqual([c["name"] for c in self.server.api.get("/contexts").json["contexts"]], ["pay"])

    def test_what_is_not_there_and_what_is_not_allowed_is_said(self):
        self.check(self.server.api.get("/nothing"), 404)
        self.check(self.server.api.get("/streams/c/%zz"), 400)
        refused = self.check(self.ask("DELETE", "/contexts"), 405)
        self.assertEqual(refused.headers["Allow"], "GET, HEAD")
        self.assertIn("from", self.check(self.server.api.get("/streams/c/s?fro=1"), 400).json["detail"])
        self.check(self.ask("GET", "/health", "a body"), 400)
        self.check(self.server.api.get(f"http://127.0.0.1:{self.server.http_port}/health"), 200)
        head = self.ask("HEAD", "/health")
        self.assertEqual((head.status, head.body), (200, b""))


class Live(HttpCase):
    def test_a_client_that_comes_back_misses_nothing_and_sees_nothing_twice(self):
        server = self.begin()
        total, writers = 400, 4

        def write(writer):
            api = self.api(server)
            for n in range(total // writers):
                self.check(api.append("c", f"s-{writer}", "T", {"w": writer, "n": n}), 201 if n == 0 else 200)
        self.check(server.api.append("c", "first", "T", {"w": -1, "n": 0}), 201)
        threads = [threading.Thread(target=write, args=(w,)) for w in range(writers)]
        for t in threads:
            t.start()
        seen, last = [], None
        while len(seen) < total + 1:  # leaves after every 50 events
            events = self.events(server, "/contexts/c/events", **({"Last_Event_ID": last} if last else {}))
            for _ in range(min(50, total + 1 - len(seen))):
                last, event, _ = events.next()
                self.assertEqual(event["batonposition"], last)
                seen.append(event["batonoffset"])
            events.close()
        for t in threads:
            t.join()
        self.assertEqual(seen, list(range(total + 1)))

    def test_a_client_at_the_end_that_comes_back_before_the_first_event_misses_nothing(self):
        server = self.begin()
        server.api.append("c", "s", "T", {"n": 0})
        events = self.events(server, "/contexts/c/events?from=end")
        begins = events.response.readline().decode()
        self.assertTrue(begins.startswith("id: p1."), begins)
        events.close()
        server.api.append("c", "s", "T", {"n": 1})
        again = self.events(server, "/contexts/c/events?from=end", Last_Event_ID=begins[4:].strip())
        self.assertEqual(again.next()[1]["data"], {"n": 1})

    def test_many_clients_see_an_event_that_comes_while_they_wait(self):
        server = self.begin()
        server.api.append("c", "s", "Old", {})
        clients = [self.events(server, "/contexts/c/events?from=end&type=New") for _ in range(50)]
        server.api.append("c", "s", "Other", {})
        server.api.append("c", "s", "New", {"text": "a\nb"})
        for client in clients:
            self.assertEqual(client.next()[1]["data"], {"text": "a\nb"})
        self.assertIn("baton_http_event_streams 50", server.api.get("/metrics").body.decode())

    def test_data_with_line_breaks_is_one_event(self):
        server = self.begin()
        self.check(server.api.ask("POST", "/streams/c/s?type=T", '{\r\n "a":\n [1,\n2]}'), 201)
        self.assertEqual(self.events(server, "/contexts/c/events").next()[1]["data"], {"a": [1, 2]})

    def test_wrong_requests_for_events_are_refused(self):
        server = self.begin()
        server.api.append("c", "s", "T", {})
        for query in ["backward=true", "limit=3", "from=middle", "after=nonsense&from=end"]:
            self.check(server.api.get("/contexts/c/events?" + query, Accept="text/event-stream"), 400)
        self.check(server.api.get("/contexts/none/events", Accept="text/event-stream"), 404)
        # A browser asks again for ever after a stream that ends, and not at all after a status that is none of success.
        for wrong, status in [("p1.0123456789abcdef.1.0", 410), ("nonsense", 400)]:
            self.check(server.api.get("/contexts/c/events", Accept="text/event-stream", Last_Event_ID=wrong), status)
            self.check(server.api.get("/contexts/c/events?after=" + wrong, Accept="text/event-stream"), status)

    def test_a_browser_that_comes_back_to_a_stream_from_the_end_goes_on_where_it_was(self):
        server = self.begin()
        server.api.append("c", "s", "T", {"n": 0})
        events = self.events(server, "/contexts/c/events?from=end")
        for n in (1, 2, 3):
            server.api.append("c", "s", "T", {"n": n})
        position, event, _ = events.next()
        self.assertEqual(event["data"], {"n": 1})
        events.close()
        again = self.events(server, "/contexts/c/events?from=end", Last_Event_ID=position)
        self.assertEqual([again.next()[1]["data"]["n"] for _ in range(2)], [2, 3])

    def test_a_client_that_comes_back_to_a_context_with_partitions_misses_nothing_and_sees_nothing_twice(self):
        server = self.begin()
        self.check(server.api.ask("PUT", "/contexts/c", {"partitions": 3}), 201)
        for n in range(60):
            self.check(server.api.append("c", f"s-{n % 12}", "T", {"n": n}), 201 if n < 12 else 200)
        seen, last = [], None
        while len(seen) < 60:
            events = self.events(server, "/contexts/c/events", **({"Last_Event_ID": last} if last else {}))
            for _ in range(min(7, 60 - len(seen))):
                last, event, _ = events.next()
                seen.append(event["data"]["n"])
            events.close()
        self.assertEqual(sorted(seen), list(range(60)))
        for stream in range(12):
            self.assertEqual([n for n in seen if n % 12 == stream], list(range(stream, 60, 12)))

    def test_a_stop_ends_streams_and_cuts_nobody_off(self):
        server = self.begin()
        server.api.append("c", "s", "T", {})
        events = self.events(server, "/contexts/c/events")
        events.next()
        log = self.stop(server)
        self.assertNotIn("cut off", log)
        self.assertFalse((self.data / "socket").exists())


class Waiting(HttpCase):
    """Kafka clients whose requests wait when the server stops: they are answered, not waited for."""

    def consume(self, server, *arguments):
        client = subprocess.Popen([self.program, "consume", "c", "--bootstrap", f"127.0.0.1:{server.kafka_port}", *arguments],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)

    def metric(self, server, name):
        return int(re.search(rf"^{name} (\d+)$", server.api.get("/metrics").body.decode(), re.M)[1])

    def test_a_fetch_that_waits_does_not_hold_up_a_stop(self):
        server = self.begin("--set", "shutdown_ms=60000")
        server.api.append("c", "s", "T", {})
        self.consume(server, "--client-config", "fetch.wait.max.ms=50000", "--client-config", "socket.timeout.ms=60000", "--from", "end")
        self.wait_for("a fetch", lambda: self.metric(server, "baton_fetch_waiting") > 0)
        self.assertNotIn("cut off", self.stop(server))

    def test_a_member_that_waits_for_others_does_not_hold_up_a_stop(self):
        server = self.begin("--set", "shutdown_ms=60000", "--set", "groups.initial_rebalance_delay_ms=300000")
        server.api.append("c", "s", "T", {})
        self.consume(server, "--group", "g")
        self.wait_for("a member", lambda: self.metric(server, "baton_groups") > 0)
        self.assertNotIn("cut off", self.stop(server))


class Service(HttpCase):
    def test_the_limits_on_topics_are_for_contexts_too(self):
        server = self.begin("--set", "topics.topics_max=2", "--set", "topics.partitions_max=4")
        self.assertIn("topics.partitions_max", self.check(server.api.ask("PUT", "/contexts/wide", {"partitions": 5}), 503).json["detail"])
        self.check(server.api.ask("PUT", "/contexts/one", {}), 201)
        self.check(server.api.append("two", "s", "T", {}), 201)
        for answer in (server.api.append("three", "s", "T", {}), server.api.ask("PUT", "/contexts/three", {})):
            self.assertIn("topics.topics_max", self.check(answer, 503).json["detail"])
        self.assertEqual(len(server.api.get("/contexts").json["contexts"]), 2)

    def test_data_that_is_nested_deep_can_be_copied(self):
        server = self.begin()
        data = "[" * 100 + "]" * 100
        self.check(server.api.ask("POST", "/streams/c/s?type=T", data), 201)
        copy = server.api.get("/contexts/c/events", Accept=BATCH).body
        self.check(server.api.ask("POST", "/contexts/d/events", copy, Content_Type=BATCH), 200)
        self.assertEqual(server.api.get("/contexts/d/events").json["events"][0]["data"], server.api.get("/contexts/c/events").json["events"][0]["data"])

    def test_metrics_are_prometheus_text(self):
        server = self.begin()
        server.api.append("c", "s", "T", {})
        server.api.append("c", "s", "T", {}, If_Match='"9"')
        answer = self.check(server.api.get("/metrics"), 200)
        self.assertTrue(answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"))
        values, types = {}, {}
        for line in answer.body.decode().splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                self.assertNotIn(name, types)
                types[name] = kind
            elif not line.startswith("#"):
                match = re.fullmatch(r'([a-z_]+)(\{(?:[a-z_]+="[^"]*",?)+\})? ([0-9.e+-]+)', line)
                self.assertIsNotNone(match, line)
                base = re.sub(r"_(bucket|sum|count)$", "", match[1])
                self.assertIn(match[1] if match[1] in types else base, types)
                values[match[1] + (match[2] or "")] = float(match[3])
        self.assertEqual(values['baton_http_requests_total{route="append_to_stream",status="2xx"}'], 1)
        self.assertEqual(values['baton_http_requests_total{route="append_to_stream",status="4xx"}'], 1)
        self.assertEqual(values['baton_store_refused_total{code="wrong_version"}'], 1)
        self.assertEqual(values['baton_topic_end_offset{topic="c"}'], 1)
        self.assertGreaterEqual(values["baton_store_rounds_total"], 1)

    def test_the_server_describes_itself(self):
        server = self.begin()
        self.assertEqual(self.check(server.api.get("/openapi.json"), 200).json["openapi"], "3.1.0")
        self.assertIn("/streams/{context}/{stream}", [r["path"] for r in server.api.get("/").json["routes"]])
        self.check(server.api.get("/health"), 200)
        self.check(server.api.get("/ready"), 200)
        self.assertEqual(server.api.get("/store").json["epoch"], 1)

    def test_configured_names_are_compared_as_they_are_meant(self):
        server = self.begin("--set", "http.hosts=Events.Example,2001:db8::5")
        for host in ("events.example", "EVENTS.example:8081", "[2001:DB8::5]:80"):
            self.check(server.api.get("/health", Host=host), 200)
        self.check(server.api.get("/health", Host="other.example"), 421)

    def test_what_a_client_sends_behind_its_last_request_is_not_done(self):
        server = self.begin()
        append = "POST /streams/c/{}?type=T HTTP/1.1\r\nHost: localhost\r\n{}Content-Length: 2\r\n\r\n{{}}"
        with socket.create_connection(("127.0.0.1", server.http_port), timeout=WAIT) as client:
            client.sendall((append.format("a", "Connection: close\r\n") + append.format("b", "")).encode())
            with client.makefile("rb") as answers:
                self.assertEqual(answers.read().count(b"HTTP/1.1 "), 1)
        self.assertEqual([s["stream"] for s in server.api.get("/streams/c").json["streams"]], ["a"])

    def test_a_foreign_host_and_a_foreign_page_are_turned_away(self):
        server = self.begin("--set", "http.hosts=events.example, other.example")
        self.check(self.api(server).get("/health", Host="evil.example"), 421)
        self.check(self.api(server).get("/health", Host="other.example:8081"), 200)
        self.check(self.api(server).ask("POST", "/streams/c/s?type=T", "{}", Origin="http://evil.example"), 403)
        self.check(self.api(server).ask("POST", "/streams/c/s?type=T", "{}", Origin="http://localhost:3000"), 201)

    def test_requests_that_do_not_come_to_an_end_are_given_up(self):
        server = self.begin("--set", "limits.frame_ms=50", "--set", "limits.handshake_ms=50")
        for beginning in [b"GET / HTT", b"POST /streams/c/s?type=T HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{"]:
            with socket.create_connection(("127.0.0.1", server.http_port), timeout=WAIT) as client:
                client.sendall(beginning)
                self.assertEqual(client.recv(1000), b"")
        self.check(server.api.get("/health"), 200)

    def test_a_body_and_a_header_over_the_limit_are_refused(self):
        server = self.begin("--set", "http.body_bytes=1KiB", "--set", "http.header_bytes=1KiB")
        self.check(self.api(server).ask("POST", "/streams/c/s?type=T", "x" * 2000), 413)
        self.check(self.api(server).get("/health", X="x" * 2000), 431)

    def test_requests_in_a_row_are_answered_in_their_order(self):
        server = self.begin()
        server.api.append("c", "s", "T", {})
        targets = ["/streams/c/s", "/health", "/contexts", "/nothing", "/metrics", "/health"] * 20
        with socket.create_connection(("127.0.0.1", server.http_port), timeout=WAIT) as client:
            client.sendall("".join(f"GET {t} HTTP/1.1\r\nHost: localhost\r\n\r\n" for t in targets).encode()
                           + b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            data = b""
            while part := client.recv(1 << 16):
                data += part
        statuses = re.findall(rb"HTTP/1.1 (\d{3}) ", data)
        self.assertEqual(statuses, [b"404" if t == "/nothing" else b"200" for t in targets] + [b"200"])


class Crash(HttpCase):
    def test_what_was_acknowledged_is_there_after_a_kill(self):
        acknowledged = []
        for round_ in range(5):
            server = self.begin()
            stop = threading.Event()

            def write(writer):
                api = self.api(server)
                n = 0
                while not stop.is_set():
                    name = f"{round_}-{writer}-{n}"
                    try:
                        if api.append("c", f"s-{writer}", "T", {"name": name}, "&id=" + name).status in (200, 201):
                            acknowledged.append(name)
                    except (OSError, http.client.HTTPException):
                        return
                    n += 1
            threads = [threading.Thread(target=write, args=(w,)) for w in range(4)]
            before = len(acknowledged)
            for t in threads:
                t.start()
            self.wait_for("100 appends", lambda: len(acknowledged) >= before + 100)
            server.signal(signal.SIGKILL)
            stop.set()
            for t in threads:
                t.join()
            server.end()
        server = self.begin()
        stored, after = [], ""
        while True:
            page = server.api.get("/contexts/c/events?limit=1000&after=" + after).json
            stored += [e["data"]["name"] for e in page["events"]]
            after = page["next"]
            if page["at_end"]:
                break
        self.assertEqual(len(stored), len(set(stored)))
        self.assertEqual(set(acknowledged) - set(stored), set())

    def test_a_request_whose_answer_never_came_is_repeated_without_a_duplicate(self):
        """G8. The client gives up at once, or when the answer is on its way, or the server is killed; then it asks the same again, under the same condition."""
        server = self.begin()

        def append(version):
            condition = f'If-Match: "{version - 1}"' if version else "If-None-Match: *"
            return (f"POST /streams/c/s?type=T&id=e-{version} HTTP/1.1\r\nHost: localhost\r\n{condition}\r\n"
                    f"Content-Length: 2\r\n\r\n{{}}").encode()

        for version in range(60):
            with socket.create_connection(("127.0.0.1", server.http_port), timeout=WAIT) as client:
                client.sendall(append(version))
                if version % 3 == 1:
                    self.assertIn(client.recv(12), (b"HTTP/1.1 200", b"HTTP/1.1 201"))
                if version % 10 == 9:
                    server.signal(signal.SIGKILL)
            if version % 10 == 9:
                server.end()
                server = self.begin()
            with socket.create_connection(("127.0.0.1", server.http_port), timeout=WAIT) as client:
                client.sendall(append(version))
                response = http.client.HTTPResponse(client)
                response.begin()
                answer = Answer(response)
            self.assertIn(answer.status, (200, 201), answer)
            if version % 3 == 1:
                self.assertTrue(answer.json["events"][0]["duplicate"], "what was acknowledged is new once more")
        events = server.api.get("/streams/c/s?limit=100").json["events"]
        self.assertEqual([(e["id"], e["batonversion"]) for e in events], [(f"e-{n}", n) for n in range(60)])


if __name__ == "__main__":
    main("__main__")
