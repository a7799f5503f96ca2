"""Views that a server keeps up to date, asked over HTTP."""
import contextlib
import json
import signal
import socket
import sqlite3
import subprocess
import threading
import urllib.parse

from api import HttpCase, main
from harness import WAIT

VIEWS = """
views:
  totals:
    context: bank
    tables: |
      CREATE TABLE account (id TEXT PRIMARY KEY, balance INTEGER NOT NULL) STRICT;
    on:
      Deposited: |
        INSERT INTO account VALUES (@stream, :amount)
        ON CONFLICT (id) DO UPDATE SET balance = balance + excluded.balance
"""


SLOW = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r"


def query(sql, **more):
    return "?" + urllib.parse.urlencode({"sql": sql} | more)


class Views(HttpCase):
    def setUp(self):
        super().setUp()
        self.file = self.directory / "views.yaml"
        self.file.write_text(VIEWS)

    def begin(self, *arguments, **options):
        return super().begin("--views", str(self.file), *arguments, **options)

    def wait_for_rows(self, server, rows):
        """Until the view has caught up."""
        answers = []

        def done():
            answers[:] = [self.check(server.api.get("/views/totals" + query("SELECT id, balance FROM account ORDER BY id")), 200).json]
            return answers[0]["rows"] == rows
        self.wait_for(rows, done)
        return answers[0]

    def test_a_view_follows_the_events(self):
        server = self.begin()
        server.api.append("bank", "a-1", "Deposited", {"amount": 5})
        server.api.append("bank", "a-2", "Deposited", {"amount": 7})
        server.api.append("bank", "a-1", "Deposited", {"amount": 1})
        self.assertEqual(self.wait_for_rows(server, [["a-1", 6], ["a-2", 7]])["columns"], ["id", "balance"])
        about = server.api.get("/views/totals").json
        self.assertEqual((about["view"]["state"], about["view"]["context"], about["tables"]), ("live", "bank", ["account"]))
        self.assertEqual([v["name"] for v in server.api.get("/views").json["views"]], ["totals"])
        self.assertIn('baton_view_lag{view="totals"} 0', server.api.get("/metrics").body.decode())

    def test_what_a_retention_has_removed_is_missed_by_no_view_in_silence(self):
        self.file.write_text("views:\n  sums:\n    context: c\n    tables: CREATE TABLE sum (one INTEGER PRIMARY KEY, n INTEGER, last INTEGER) STRICT\n"
                             "    on:\n      A: INSERT INTO sum VALUES (1, 1, :v) ON CONFLICT (one) DO UPDATE SET n = n + 1, last = :v\n"
                             "    keep: {every: 400, copies: 20}\n")
        server = super().begin("--set", "topics.retention_check_ms=100", "--set", "store.segment_bytes=1MiB")
        api = server.api
        self.check(api.ask("PUT", "/contexts/c", {"history_deletable": True, "retention_bytes": 1 << 20}), 201)

        def cli(*arguments, expect=0):
            done = subprocess.run([self.program, "--data", str(self.data), "--json", *arguments], capture_output=True, text=True, timeout=WAIT, check=False)
            self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
            return [json.loads(line) for line in (done.stdout if expect == 0 else done.stderr).splitlines()]

        def append(begin, end):
            events = []
            for first in range(begin, end, 100):
                streams = [{"stream": "s", "events": [{"type": "A", "data": {"v": v, "pad": "x" * 500}} for v in range(first, first + 100)]}]
                events += self.check(api.ask("POST", "/contexts/c/append", {"streams": streams}), 200).json["events"]
            return [e["position"] for e in events]

        def start():
            return self.check(api.get("/contexts/c/events?limit=1"), 200).json["events"][0]["data"]["v"]
        def told(position, expect=0):
            found = cli("view", "query", "sums", "SELECT n, last FROM sum", "--as-of-position", position, expect=expect)
            return (found[0]["n"], found[0]["last"]) if expect == 0 else found[0]["error"]
        positions = append(0, 1000)
        self.assertEqual(start(), 0)
        cli("view", "load", str(self.file))
        self.assertEqual(told(positions[499]), (500, 499))
        positions += append(1000, 6000)
        self.wait_for("the retention", lambda: start() > 1000)
        events = self.events(server, "/contexts/c/events?after=" + positions[499])
        told_first, at = events.next(), events.next()
        missed = self.check(api.get("/contexts/c/events?limit=1&after=" + positions[499]), 200)
        begins = missed.json["events"][0]["data"]["v"]
        self.assertEqual((missed.json["removed"], missed.headers["Baton-Removed"]), (begins - 500, str(begins - 500)))
        self.assertNotIn("removed", self.check(api.get("/contexts/c/events?limit=1&after=" + missed.json["next"]), 200).json)
        self.assertEqual(told_first, (None, {"removed": at[1]["data"]["v"] - 500}, "removed"))
        self.stop(server)  # and it removes no more
        first = cli("tail", "c", "--from", "beginning", "--no-follow", "-n", "1")[0]["data"]["v"]
        self.assertEqual(told(positions[999]), (1000, 999))  # where the view stands
        self.assertEqual(told(positions[499], expect=5), "removed")
        self.assertEqual(cli("read", "s", "--as-of-position", positions[499], expect=5)[0]["error"], "removed")
        tail = [self.program, "--data", str(self.data), "tail", "c", "--no-follow", "-n", "1", "--from"]
        for place, warned in ((positions[499], True), ("beginning", False), (positions[first], False)):
            done = subprocess.run([*tail, place], capture_output=True, text=True, timeout=WAIT, check=True)
            self.assertEqual(f"removed up to {first - 500:,} events behind the last position" in done.stderr, warned, done.stderr)
        behind = cli("view", "update", "sums", expect=5)[0]
        self.assertEqual(behind["error"], "removed")
        self.assertIn("view rebuild sums", behind["detail"])
        self.assertEqual((cli("view", "list")[0]["state"], cli("view", "query", "sums", "SELECT n FROM sum")[0]["n"]), ("stopped", 1000))
        cli("view", "rebuild", "sums")
        self.assertEqual(cli("view", "query", "sums", "SELECT n, last FROM sum"), [{"n": 6000 - first, "last": 5999}])
        self.assertEqual(told(positions[first + 99]), (100, first + 99))
        self.assertEqual(told(positions[5500]), (5501 - first, 5500))
        self.assertEqual(told(positions[first - 2], expect=5), "removed")

    def test_a_view_of_a_newer_program_is_not_read(self):
        server = self.begin()
        server.api.append("bank", "a-1", "Deposited", {"amount": 1})
        self.wait_for_rows(server, [["a-1", 1]])
        self.stop(server)
        [path] = (self.data / "views" / "totals").glob("g*.sqlite")
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE baton_view SET format = 2")
            database.commit()
        for query in (["SELECT * FROM account"], ["SELECT * FROM account", "--as-of", "2038-01-01T00:00:00Z"]):
            done = subprocess.run([self.program, "--data", str(self.data), "view", "query", "totals", *query], capture_output=True, text=True, timeout=WAIT, check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("has format 2", done.stderr)

    def test_a_table_is_a_resource(self):
        server = self.begin()
        for n in range(3):
            server.api.append("bank", f"a-{n}", "Deposited", {"amount": n})
        self.wait_for_rows(server, [["a-0", 0], ["a-1", 1], ["a-2", 2]])
        def rows(more):
            return [r["id"] for r in self.check(server.api.get("/views/totals/account" + more), 200).json["rows"]]
        self.assertEqual(rows("?order=-balance&limit=2"), ["a-2", "a-1"])
        self.assertEqual(rows("?order=balance&offset=1"), ["a-1", "a-2"])
        self.assertEqual(rows("?where=balance%3D1"), ["a-1"])
        self.assertEqual(rows("?where=id%3Da-2&where=balance%3D1"), [])
        self.assertEqual(rows("?where=id%3D%27%20OR%20%271%27%3D%271"), [])
        for wrong in ["?where=nope%3Dnope", "?where=balance", "?order=nope"]:
            self.check(server.api.get("/views/totals/account" + wrong), 400)
        for missing in ["/views/totals/nope", "/views/totals/sqlite_schema", "/views/totals/baton_checkpoint", "/views/nope", "/views/nope/account"]:
            self.check(server.api.get(missing), 404)

    def test_slow_queries_take_no_longer_together_than_one_may(self):
        server = self.begin("--set", "http.query_timeout_ms=2000")
        server.api.append("bank", "a-1", "Deposited", {"amount": 1})
        self.wait_for_rows(server, [["a-1", 1]])
        answers = []

        def ask():
            answers.append(self.api(server).get("/views/totals" + query(SLOW)).status)
        threads = [threading.Thread(target=ask) for _ in range(30)]  # one after the other they would take longer than WAIT
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(set(answers) - {503, 504}, set(), answers)
        self.assertIn(504, answers)
        self.assertEqual(self.wait_for_rows(server, [["a-1", 1]])["rows"], [["a-1", 1]])

    def test_a_query_does_not_hold_up_a_stop(self):
        server = self.begin("--set", "http.query_timeout_ms=600000", "--set", "shutdown_ms=100")
        server.api.append("bank", "a-1", "Deposited", {"amount": 1})
        self.wait_for_rows(server, [["a-1", 1]])
        client = socket.create_connection(("127.0.0.1", server.http_port), timeout=WAIT)
        self.addCleanup(client.close)
        client.sendall(b"GET /views/totals" + query(SLOW).encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.wait_for("the query", lambda: "baton_http_reads_waiting 2\n" in server.api.get("/metrics").body.decode())  # this one, too
        self.stop(server)

    def test_one_endless_step_or_statement_of_a_query_does_not_hold_up_a_stop(self):
        text = "replace(hex(zeroblob(1000000)), '0', 'a')"
        doubling = "WITH a0 AS (SELECT 1 x)" + "".join(f", a{i} AS (SELECT p.x FROM a{i - 1} p, a{i - 1} q)" for i in range(1, 31)) + " SELECT count(*) FROM a30"
        for sql in ["SELECT instr(zeroblob(60000000), zeroblob(29999999) || x'01')", doubling]:
            server = self.begin()
            self.assertEqual(self.check(server.api.get("/views/totals" + query(sql)), 413).json["code"], "too_large")
            self.stop(server)
        server = self.begin("--set", "http.query_timeout_ms=600000", "--set", "shutdown_ms=100")
        client = socket.create_connection(("127.0.0.1", server.http_port), timeout=WAIT)
        self.addCleanup(client.close)
        client.sendall(b"GET /views/totals" + query(f"SELECT {text} LIKE '%' || substr({text}, 1, 900) || 'b'").encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.wait_for("the query", lambda: "baton_http_reads_waiting 2\n" in server.api.get("/metrics").body.decode())  # this one, too
        self.stop(server)

    def test_the_past_can_be_asked(self):
        server = self.begin()
        positions = [server.api.append("bank", "a-1", "Deposited", {"amount": 1}).json["position"] for _ in range(3)]
        self.wait_for_rows(server, [["a-1", 3]])
        past = server.api.get("/views/totals" + query("SELECT balance FROM account", as_of_position=positions[0]))
        self.assertEqual(self.check(past, 200).json["rows"], [[1]])
        self.assertEqual(self.check(server.api.get("/views/totals/account?as_of_position=" + positions[1]), 200).json["rows"][0]["balance"], 2)

    def test_a_query_only_reads_and_does_not_run_for_ever(self):
        server = self.begin("--set", "http.query_timeout_ms=100")
        server.api.append("bank", "a-1", "Deposited", {"amount": 5})
        self.wait_for_rows(server, [["a-1", 5]])
        for sql in ["DELETE FROM account", "DROP TABLE account", "ATTACH 'x' AS y", "PRAGMA user_version = 3", "SELECT 1; DELETE FROM account", "SELEKT", ""]:
            self.check(server.api.get("/views/totals" + query(sql)), 400)
        for_ever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        self.check(server.api.get("/views/totals" + query(for_ever)), 504)
        self.wait_for_rows(server, [["a-1", 5]])
        many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) SELECT i FROM n"
        few = self.check(server.api.get("/views/totals" + query(many, limit=10)), 200).json
        self.assertEqual((len(few["rows"]), few["truncated"]), (10, True))

    def test_a_table_that_is_not_told_whole_says_so(self):
        server = self.begin()
        for n in range(1, 4):
            server.api.append("bank", f"a-{n}", "Deposited", {"amount": n})
        self.wait_for_rows(server, [["a-1", 1], ["a-2", 2], ["a-3", 3]])

        def ask(more):
            page = self.check(server.api.get("/views/totals/account?order=id" + more), 200).json
            return [row["balance"] for row in page["rows"]], page.get("truncated", False)
        self.assertEqual(ask("&limit=2"), ([1, 2], True))
        self.assertEqual(ask("&limit=2&offset=1"), ([2, 3], False))
        self.assertEqual(ask("&limit=3"), ([1, 2, 3], False))
        self.assertEqual(ask("&limit=100000"), ([1, 2, 3], False))

    def test_a_view_goes_on_after_a_kill_and_after_a_stop(self):
        for n, number in enumerate([signal.SIGKILL, signal.SIGTERM, signal.SIGKILL], start=1):
            server = self.begin()
            server.api.append("bank", "a-1", "Deposited", {"amount": 10})
            self.wait_for_rows(server, [["a-1", 10 * n]])
            server.signal(number)
            server.end()
        self.wait_for_rows(self.begin(), [["a-1", 30]])

    def test_an_event_that_stops_a_view_is_told(self):
        server = self.begin()
        server.api.append("bank", "a-1", "Deposited", {"amount": None})
        self.wait_for("not ready", lambda: server.api.get("/ready").status == 503)
        self.assertIn("totals", self.check(server.api.get("/ready"), 503).json["detail"])
        self.assertEqual(server.api.get("/views").json["views"][0]["state"], "stopped")
        self.check(server.api.get("/health"), 200)
        self.check(server.api.append("bank", "a-1", "Deposited", {"amount": 1}), 200)
        self.stop(server)
        server = self.begin()  # which does not keep it from serving
        self.assertIn("totals", self.check(server.api.get("/ready"), 503).json["detail"])
        self.check(server.api.append("bank", "a-1", "Deposited", {"amount": 1}), 200)
        self.check(server.api.get("/views/totals" + query("SELECT * FROM account")), 200)

    def test_a_file_that_is_wrong_is_refused_at_the_start(self):
        self.file.write_text(VIEWS.replace("CREATE TABLE", "CREATE TABEL"))
        done = self.run_program("--data", str(self.data), "serve", "--kafka-port", "0", "--http-port", "0", "--views", str(self.file), expect=2)
        self.assertIn("views.yaml:", done.stderr)


class WithoutViews(HttpCase):
    def test_there_are_none(self):
        server = self.begin()
        self.assertEqual(server.api.get("/views").json, {"views": []})
        self.assertIn("--views", self.check(server.api.get("/views/totals" + query("SELECT 1")), 404).json["detail"])


if __name__ == "__main__":
    main("__main__")
