"""Access control over HTTP. Clients are told apart by address: 127.0.0.1 is the client, 127.0.0.2 may do everything."""
import http.client
import re
import socket
import struct

from api import Answer, HttpCase, main
from harness import WAIT

ADMINISTRATOR = "127.0.0.2"
TOPIC, GROUP, CLUSTER = 2, 3, 4
READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS = 3, 4, 5, 6, 7, 8, 10, 11
OPEN = None
# What each operation of the OpenAPI document needs: one of these rights.
NEEDS = {
    "append_to_stream": {(TOPIC, WRITE)}, "read_stream": {(TOPIC, READ)}, "delete_stream": {(TOPIC, DELETE)}, "truncate_stream": {(TOPIC, DELETE)},
    "load_aggregate": {(TOPIC, READ)}, "get_snapshot": {(TOPIC, READ)}, "put_snapshot": {(TOPIC, WRITE)}, "list_streams": {(TOPIC, READ)},
    "list_contexts": OPEN, "get_context": {(TOPIC, DESCRIBE)}, "create_context": {(TOPIC, CREATE), (CLUSTER, CREATE)}, "configure_context": {(TOPIC, ALTER_CONFIGS)},
    "read_events": {(TOPIC, READ)}, "post_events": {(TOPIC, WRITE)}, "append": {(TOPIC, WRITE)}, "find_position": {(TOPIC, DESCRIBE)},
    "get_checkpoint": {(TOPIC, READ)}, "put_checkpoint": {(TOPIC, READ)}, "list_views": OPEN, "query_view": {(TOPIC, READ)}, "read_view_table": {(TOPIC, READ)},
    "get_index": OPEN, "get_health": OPEN, "get_ready": OPEN, "get_openapi": OPEN, "get_metrics": {(CLUSTER, DESCRIBE)}, "get_store": {(CLUSTER, DESCRIBE)},
    "apply_retention": {(CLUSTER, ALTER)}, "confirm_clock": {(CLUSTER, ALTER)},
}
BRINGS = {READ: {DESCRIBE}, WRITE: {DESCRIBE}, DELETE: {DESCRIBE}, ALTER: {DESCRIBE}, ALTER_CONFIGS: {DESCRIBE_CONFIGS}}
VIEW = """
views:
  totals:
    context: c
    tables: |
      CREATE TABLE account (id TEXT PRIMARY KEY) STRICT;
    on:
      Opened: INSERT INTO account VALUES (@stream)
"""


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def ask_kafka(port, api, body):
    """A request in version 1 from the administrator's address; the body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT, source_address=(ADMINISTRATOR, 0)) as connection:
        request = struct.pack(">hhi", api, 1, 7) + text("test") + body
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = b""
        while len(answer) < 4 or len(answer) < 4 + struct.unpack(">i", answer[:4])[0]:
            more = connection.recv(65536)
            assert more, "the server has closed the connection"
            answer += more
        return answer[8:]


class Rights(HttpCase):
    def begin(self, *arguments, **options):
        views = self.directory / "views.yaml"
        views.write_text(VIEW)
        return super().begin("--set", "access.enabled=true", "--set", f"access.super_users=User:ANONYMOUS@{ADMINISTRATOR}", "--views", str(views), *arguments, **options)

    def administrator(self, server, method, target, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=WAIT, source_address=(ADMINISTRATOR, 0))
        connection.request(method, target, body)
        answer = Answer(connection.getresponse())
        connection.close()
        return answer

    def append_beside(self):
        self.run_program("--data", str(self.data), "append", "c", "s", "--type", "Opened", expect=0)

    def grant(self, server, *rights):
        """All that the client may do from now on: (resource, operation)."""
        ask_kafka(server.kafka_port, 31, struct.pack(">i", 1) + struct.pack(">bhbhhbb", 1, -1, 1, -1, -1, 1, 1))
        for resource, operation in rights:
            name = {TOPIC: "c", GROUP: "n", CLUSTER: "kafka-cluster"}[resource]
            entry = struct.pack(">b", resource) + text(name) + struct.pack(">b", 3) + text("User:ANONYMOUS") + text("127.0.0.1") + struct.pack(">bb", operation, 3)
            answer = ask_kafka(server.kafka_port, 30, struct.pack(">i", 1) + entry)
            self.assertEqual(struct.unpack(">iih", answer[:10]), (0, 1, 0), answer)

    def operations(self, server):
        """(id, method, path) of each, with names in the place of parameters."""
        for path, methods in server.api.get("/openapi.json").json["paths"].items():
            filled = re.sub(r"\{(\w+)\}", lambda m: {"context": "c", "stream": "s", "view": "totals", "table": "account", "name": "n"}[m[1]], path)
            for method, operation in methods.items():
                yield operation["operationId"], method.upper(), filled

    def test_each_route_asks_for_its_right(self):
        server = self.begin()
        self.check(self.administrator(server, "POST", "/streams/c/s?type=Opened", "{}"), 201)
        operations = list(self.operations(server))
        self.assertEqual({name for name, _, _ in operations}, set(NEEDS))
        for name, method, path in operations:
            status = server.api.ask(method, path).status
            self.assertEqual(status == 403, NEEDS[name] is not OPEN, f"{name} with nothing: {status}")
        rights = [(TOPIC, n) for n in (READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS)]
        rights += [(CLUSTER, n) for n in (CREATE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS)]
        for resource, given in rights:
            self.grant(server, (resource, given), (GROUP, READ))  # a checkpoint needs both
            has = {(resource, n) for n in {given} | BRINGS.get(given, set())}
            for name, method, path in operations:
                status = server.api.ask(method, path).status
                may = NEEDS[name] is OPEN or bool(NEEDS[name] & has)
                self.assertEqual(status != 403, may, f"{name} with {resource}, {given}: {status}")
        self.check(self.administrator(server, "GET", "/store"), 200)

    def test_lists_show_what_a_client_may_describe(self):
        server = self.begin()
        self.administrator(server, "POST", "/streams/c/s?type=Opened", "{}")
        self.administrator(server, "POST", "/streams/d/s?type=Opened", "{}")

        def contexts(ask):
            return sorted(c["name"] for c in self.check(ask("GET", "/contexts"), 200).json["contexts"])

        def views():
            return [v["name"] for v in self.check(server.api.get("/views"), 200).json["views"]]
        self.assertEqual(contexts(lambda *request: self.administrator(server, *request)), ["c", "d"])
        self.assertEqual((contexts(server.api.ask), views()), ([], []))
        self.grant(server, (TOPIC, READ))
        self.assertEqual((contexts(server.api.ask), views()), (["c"], ["totals"]))
        self.check(server.api.get("/streams/c/s"), 200)
        refused = self.check(server.api.get("/streams/d/s"), 403)
        self.assertIn("Read on context 'd'", refused.json["detail"])
        self.assertEqual(server.api.get("/streams/not-there/s").status, 403, "nothing is learnt of what is there")

    def test_the_owner_of_the_directory_may_do_everything_and_a_restart_keeps_the_entries(self):
        server = self.begin()
        self.append_beside()
        self.grant(server, (TOPIC, READ))
        self.check(server.api.get("/streams/c/s"), 200)
        server.kill()
        server.end()
        again = self.begin()
        self.check(again.api.get("/streams/c/s"), 200)
        self.check(again.api.append("c", "s", "Opened", {}), 403)
        self.append_beside()

    def test_who_may_change_a_context_is_not_told_how_much_there_is_in_it(self):
        server = self.begin()
        self.append_beside()
        for rights, told in (([ALTER_CONFIGS], False), ([ALTER_CONFIGS, DESCRIBE], True)):
            self.grant(server, *((TOPIC, right) for right in rights))
            changed = self.check(server.api.ask("PATCH", "/contexts/c", {"data_bytes_max": 2048}), 200).json
            self.assertEqual((changed["options"]["data_bytes_max"], [key in changed for key in ("events", "bytes", "end")]), (2048, [told] * 3))

    def test_who_may_make_a_context_is_not_told_what_is_in_it(self):
        server = self.begin()
        self.grant(server, (TOPIC, CREATE))
        self.assertEqual(set(self.check(server.api.ask("PUT", "/contexts/c", {}), 201).json), {"name", "id", "options"})

    def test_who_may_write_makes_no_context_and_asks_nothing(self):
        server = self.begin()
        self.grant(server, (TOPIC, WRITE))
        self.check(server.api.append("c", "s", "Opened", {}), 403)
        self.check(server.api.ask("POST", "/contexts/c/append", {"streams": [{"stream": "s", "events": [{"type": "Opened", "data": {}}]}]}), 403)
        self.grant(server, (TOPIC, WRITE), (TOPIC, CREATE))
        self.check(server.api.append("c", "s", "Opened", {}, "&tag=customer:1"), 201)
        self.grant(server, (TOPIC, WRITE))
        self.check(server.api.append("c", "s", "Opened", {}), 200)
        asking = {"streams": [{"stream": "s", "events": [{"type": "Opened", "data": {}}]}], "unless": {"query": [{"tags": ["customer:1"]}]}}
        self.check(server.api.ask("POST", "/contexts/c/append", asking), 403)
        self.grant(server, (TOPIC, WRITE), (TOPIC, READ))
        self.check(server.api.ask("POST", "/contexts/c/append", asking), 409)

    def test_a_stream_of_events_ends_when_the_right_is_taken_away(self):
        server = self.begin("--set", "http.event_streams=5")
        self.administrator(server, "POST", "/streams/c/s?type=Opened", "{}")
        self.grant(server, (TOPIC, READ))
        events = self.events(server, "/contexts/c/events")
        self.assertEqual(events.next()[1]["type"], "Opened")
        self.grant(server)
        self.administrator(server, "POST", "/streams/c/s?type=Secret", "{}")
        _, problem, kind = events.next()
        self.assertEqual((kind, problem["status"]), ("error", 403))
        self.assertIsNone(events.next())

    def test_a_view_that_a_client_must_not_read_is_like_one_that_is_not_there(self):
        server = self.begin()
        self.administrator(server, "POST", "/streams/d/s?type=Opened", "{}")
        refused = [self.check(server.api.get(path), 403).json["detail"] for path in ("/views/totals", "/views/totals/account", "/views/none")]
        self.assertEqual(len(set(refused)), 1, refused)
        self.assertNotIn("'c'", refused[0])
        self.check(self.administrator(server, "GET", "/views/none"), 404)

    def test_a_checkpoint_is_moved_by_who_may_use_its_name(self):
        server = self.begin()
        position = self.administrator(server, "POST", "/streams/c/s?type=Opened", "{}").json["position"]
        path = f"/contexts/c/checkpoints/n?position={position}"
        self.grant(server, (TOPIC, READ))
        self.check(server.api.ask("PUT", path), 403)
        self.check(server.api.get("/contexts/c/checkpoints/n"), 403)
        self.grant(server, (TOPIC, READ), (GROUP, READ))
        self.check(server.api.get("/contexts/c/checkpoints/n"), 404)
        self.check(server.api.ask("PUT", path), 204)
        self.assertEqual(self.check(server.api.get("/contexts/c/checkpoints/n"), 200).json, {"position": position})

    def test_an_address_is_the_clients_own_whatever_the_listener_is_bound_to(self):
        server = self.begin("--set", "http.address=::ffff:127.0.0.1")
        self.check(self.administrator(server, "POST", "/streams/c/s?type=Opened", "{}"), 201)
        self.check(server.api.get("/streams/c/s"), 403)
        self.grant(server, (TOPIC, READ))
        self.check(server.api.get("/streams/c/s"), 200)

    def test_a_server_that_nobody_may_use_says_so(self):
        server = self.serve("--set", "access.enabled=true")
        self.assertIn("access.super_users says who", self.stop(server))
        self.assertNotIn("access.super_users says who", self.stop(self.begin()))


if __name__ == "__main__":
    main(__name__)
