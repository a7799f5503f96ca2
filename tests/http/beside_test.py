"""Programs that use a store while a server has it: they read its files, and write through its unix socket."""
import json
import os
import signal
import stat
import subprocess

from api import Api, HttpCase, main
from harness import WAIT


class Beside(HttpCase):
    def cli(self, *arguments, expect=0, **options):
        done = subprocess.run([self.program, "--data", str(self.data), "--json", *arguments], capture_output=True, text=True, timeout=WAIT, **options)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()] if expect == 0 else json.loads(done.stderr)

    def append(self, stream, data, *more, **options):
        return self.cli("append", "c", stream, "--type", "T", "--data", json.dumps(data), *more, **options)

    def test_the_command_line_writes_and_reads_beside_a_server(self):
        server = self.begin()
        first = self.append("s-1", {"n": 0}, "--expect", "no-stream", "--tag", "a:1", "--id", "x")[0]
        self.assertEqual((first["version"], first["duplicate"]), (0, False))
        self.assertTrue(self.append("s-1", {"n": 0}, "--tag", "a:1", "--id", "x")[0]["duplicate"])
        self.assertEqual(self.append("s-1", {"n": 1}, "--expect", "7", expect=4)["error"], "wrong_version")
        self.assertEqual(self.append("s-1", {"n": 1}, "--id", "x", expect=4)["error"], "duplicate_mismatch")
        server.api.append("c", "s-1", "T", {"n": 1})
        self.assertEqual([e["data"]["n"] for e in self.cli("read", "s-1")], [0, 1])
        self.cli("truncate", "s-1", "--before", "1")
        self.assertEqual([e["data"]["n"] for e in self.cli("read", "s-1")], [1])
        self.cli("delete", "s-1")
        self.assertEqual(self.check(server.api.get("/streams/c/s-1"), 404).status, 404)
        self.cli("create-context", "pay", "--partitions", "3")
        self.assertEqual(self.cli("create-context", "pay", expect=2)["error"], "already_exists")
        self.assertEqual(server.api.get("/contexts/pay").json["options"]["partitions"], 3)
        self.cli("verify")

    def test_data_keeps_its_bytes(self):
        self.begin()
        for n, text in enumerate(['{"a" : 1 }', ' [1]\n', '"\\u00e9"', '{"a":1,"a":2}']):
            self.cli("append", "c", f"s-{n}", "--type", "T", "--data", text)
            out = subprocess.run([self.program, "--data", str(self.data), "--json", "read", f"s-{n}", "--context", "c"], capture_output=True, text=True, timeout=WAIT)
            self.assertIn('"data":' + text.replace("\n", " "), out.stdout)  # an event is one line
        self.cli("append", "c", "s-9", "--type", "T", "--content-type", "text/plain", "--data", " a\tb ")
        self.assertEqual(self.cli("read", "s-9")[0]["data"], " a\tb ")

    def test_an_import_goes_through_the_server(self):
        server = self.begin()
        lines = "".join(json.dumps({"stream": f"s-{n % 7}", "type": "T", "data": {"n": n}, "id": str(n)}) + "\n" for n in range(2000))
        self.assertEqual(self.cli("append", "c", "--ndjson", "-", input=lines), [{"events": 2000, "duplicates": 0}])
        self.assertEqual(self.cli("append", "c", "--ndjson", "-", input=lines), [{"events": 2000, "duplicates": 2000}])
        self.assertEqual(server.api.get("/store").json["events"], 2000)

    def test_imports_run_side_by_side(self):
        server = self.begin()
        map_file = self.directory / "map.yaml"
        map_file.write_text("context: c\nformat: ndjson\norder_by: time\nfields: {a: {column: a}, t: {column: t, type: time}}\n"
                            "events: [{type: T, stream: s, id: '{a}', time: t, data: {a: a}}]\n")
        for round_ in range(5):
            imports = []
            for n in range(4):
                process = subprocess.Popen([self.program, "--data", str(self.data), "import", "-", "--map", str(map_file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                           stderr=subprocess.PIPE, text=True)
                imports.append((process, "".join(json.dumps({"a": f"{round_}-{n}-{i}", "t": "2026-01-01T00:00:00Z"}) + "\n" for i in range(20))))
            for process, lines in imports:  # all of them before the first is waited for
                process.stdin.write(lines)
                process.stdin.close()
                process.stdin = None
            for process, _ in imports:
                _, error = process.communicate(timeout=WAIT)
                self.assertEqual((process.returncode, error), (0, ""))
        self.assertEqual(server.api.get("/contexts/c").json["events"], 400)
        self.assertFalse((self.data / "tmp").exists())

    def test_without_a_server_the_directory_is_opened_as_before(self):
        server = self.begin()
        self.append("s-1", {"n": 0})
        server.signal(signal.SIGKILL)
        server.end()
        self.assertTrue((self.data / "socket").exists())  # left behind
        self.append("s-1", {"n": 1})
        server = self.begin()  # takes its place
        self.append("s-1", {"n": 2})
        self.assertEqual([e["data"]["n"] for e in server.api.get("/streams/c/s-1").json["events"]], [0, 1, 2])

    def test_when_the_server_goes_away_it_is_said_and_nothing_acknowledged_is_lost(self):
        server = self.begin()
        writer = subprocess.Popen([self.program, "--data", str(self.data), "--json", "append", "c", "--ndjson", "-"], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(writer.kill)
        writer.stdin.write(json.dumps({"stream": "s", "type": "T", "data": {"n": 0}}) + "\n")
        writer.stdin.flush()
        self.wait_for("the first line", lambda: server.api.get("/streams/c/s").status == 200)
        server.signal(signal.SIGKILL)
        server.end()
        _, errors = writer.communicate(json.dumps({"stream": "s", "type": "T", "data": {"n": 1}}) + "\n", timeout=WAIT)
        self.assertEqual(writer.returncode, 1, errors)
        self.assertEqual(json.loads(errors)["error"], "unavailable")
        self.assertEqual([e["data"]["n"] for e in self.cli("read", "s")], [0])

    def test_the_socket_is_for_its_owner_only_and_speaks_http(self):
        server = self.begin()
        path = self.data / "socket"
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        api = Api(path=path)
        self.addCleanup(api.close)
        self.check(api.get("/health"), 200)
        self.check(api.append("c", "s", "T", {}), 201)
        self.check(server.api.get("/streams/c/s"), 200)
        self.stop(server)
        self.assertFalse(path.exists())

    def test_a_path_longer_than_an_address_works_too(self):
        self.data = self.directory / ("d" * 120) / "data"
        self.data.parent.mkdir()
        self.begin()
        self.append("s-1", {"n": 0})
        self.assertEqual([e["data"]["n"] for e in self.cli("read", "s-1")], [0])
        self.assertTrue((self.data / "socket").exists())

    def test_a_backup_is_made_beside_a_server(self):
        server = self.begin()
        self.append("s-1", {"n": 0})
        self.cli("backup", str(self.directory / "copy"))
        self.assertFalse((self.directory / "copy" / "socket").exists())
        self.stop(server)
        subprocess.run([self.program, "--data", str(self.directory / "back"), "restore", str(self.directory / "copy")], check=True, timeout=WAIT,
                       stdout=subprocess.DEVNULL, env=os.environ)


if __name__ == "__main__":
    main("__main__")
