#!/usr/bin/env python3
"""Runs the program as a user does: cli_test.py BATON."""
import fcntl
import gzip
import json
import os
import signal
import struct
import subprocess
import threading
import time
import unittest

from program import BATON, MAP, VIEWS, Program


class Cli(Program):
    def test_what_was_appended_is_read_back(self):
        self.append("cart-1", "LineAdded", '{"sku":"a","n":2}', "--tag", "sku:a", "--tenant", "t1", "--id", "e1",
                    "--time", "2026-01-02T03:04:05Z")
        self.append()
        first, second = self.lines("read", "cart-1")
        self.assertEqual((first["version"], second["version"]), (0, 1))
        self.assertEqual((first["id"], first["tenant"], first["tags"], first["time"], first["data"]),
                         ("e1", "t1", ["sku:a"], "2026-01-02T03:04:05Z", {"sku": "a", "n": 2}))
        self.assertEqual([e["version"] for e in self.lines("read", "cart-1", "--backward")], [1, 0])
        self.assertEqual([e["version"] for e in self.lines("read", "cart-1", "--from", "1")], [1])
        self.assertEqual(self.lines("read", "cart-1", "--as-of-position", first["position"]), [first])
        self.assertEqual(self.lines("read", "cart-1", "--as-of-event-time", "2026-01-03T00:00:00Z"), [first])
        self.assertIn("cart-1 0 LineAdded", self.run_baton("read", "cart-1").stdout)

    def test_conditions_end_with_4_and_say_what_was_found(self):
        self.append("cart-1", "LineAdded", "{}", "--expect", "no-stream")
        refused = self.append("cart-1", "LineAdded", "{}", "--expect", "no-stream", expect=4)
        self.assertIn("found version 0", refused.stderr)
        self.append("cart-1", "LineAdded", "{}", "--expect", "0", "--tag", "mail:a")
        self.append("cart-2", "LineAdded", "{}", "--unless-tag", "mail:a", expect=4)
        self.append("cart-2", "LineAdded", "{}", "--unless-tag", "mail:b")

    def test_an_id_is_appended_once(self):
        self.append("cart-1", "LineAdded", "{}", "--id", "x")
        again = self.append("cart-1", "LineAdded", "{}", "--id", "x")
        self.assertIn("was there already", again.stdout)
        self.append("cart-1", "LineAdded", '{"other":1}', "--id", "x", expect=4)
        self.assertEqual(self.lines("info")[0]["events"], 1)

    def test_mistakes_end_with_2_and_what_is_not_there_with_5(self):
        self.run_baton("read", "cart-1", expect=5)
        self.run_baton("nonsense", expect=2)
        self.run_baton(expect=2)
        self.append("cart-1", "LineAdded", "{not json", expect=2)
        self.append("cart-1", "LineAdded", "{}", "--time", "yesterday", expect=2)
        self.append("cart-1", "LineAdded", "{}", "--tag", "no-colon", expect=2)
        self.append("cart-1", "LineAdded", "{}", "--expect", "-3", expect=2)
        self.run_baton("append", "Shop!", "cart-1", "--type", "T", expect=2)
        self.append("cart-1", "LineAdded", json.dumps("x" * 2000), expect=2)
        self.append()
        self.run_baton("read", "nobody", expect=5)
        self.run_baton("tail", "nowhere", "--no-follow", expect=5)
        self.run_baton("tail", "--from", "p1.0000000000000000.1.0", "--no-follow", expect=1)
        self.run_baton("verify", "--root", "abc", expect=2)
        problem = json.loads(self.run_baton("--json", "read", "nobody", expect=5).stderr)
        self.assertEqual(problem["error"], "not_found")

    def test_a_mistake_makes_no_store(self):
        rows, map_file = self.directory / "orders.csv", self.directory / "map.yaml"
        rows.write_text("order,at\n1,2026-01-01T00:00:00Z\n")
        map_file.write_text(MAP)
        for arguments in (["import", "nowhere.csv", "--map", map_file], ["import", rows, "--map", "nowhere.yaml"]):
            self.run_baton(*map(str, arguments), expect=5)
        self.run_baton("import", str(rows), "--map", str(map_file), "--check")
        map_file.write_text(MAP.replace("column: at", "column: when"))
        self.run_baton("import", str(rows), "--map", str(map_file), expect=2)
        self.run_baton("create-context", "Shop!", expect=2)
        self.run_baton("create-context", "shop", "--partitions", "0", expect=2)
        self.append("", expect=2)
        self.append("cart-1", "LineAdded", "", expect=2)
        self.append("cart-1", "LineAdded", "{}", "--expect", "0", expect=5)
        missing = self.directory / "nowhere" / "rejects.csv"
        map_file.write_text(MAP)
        self.assertIn("--rejects", self.run_baton("import", str(rows), "--map", str(map_file), "--rejects", str(missing), expect=5).stderr)
        self.run_baton("append", "Shop!", "cart-1", "--type", "T", expect=2)
        self.run_baton("append", "Shop!", "--ndjson", "-", expect=2, text="{}\n")
        self.assertFalse(self.data.exists())

    def test_what_is_misspelt_is_told_with_what_is_near(self):
        self.assertEqual(self.run_baton("help", "view", "query").stdout, self.run_baton("view", "query", "--help").stdout)
        for arguments, told in ((["reed"], "there is no command 'reed'; did you mean 'read'?"),
                                (["view", "querry", "x"], "no command 'querry'; did you mean 'query'? 'baton view --help' says more"),
                                (["topics"], "say what to do: list, describe"),
                                (["reed", "view"], "no command 'reed'; did you mean 'read'? 'baton --help' says more"),
                                (["help", "view", "querry"], "no command 'querry'; did you mean 'query'? 'baton view --help' says more"),
                                (["read", "cart-1", "--limt", "3"], "no option '--limt' here; did you mean '--limit'?"),
                                (["read", "--bakward", "cart-1"], "did you mean '--backward'?"),
                                (["read", "cart-1", "cart-2"], "'cart-2' is more than is expected here"),
                                (["read", "cart-1", "--limit", "0"], "--limit: takes a whole number, 1 or more, not '0'"),
                                (["tail", "shop", "-n", "0"], "takes a whole number, 1 or more, not '0'"),
                                (["read"], "stream is required"),
                                (["append", "shop", "cart-1", "--type"], "--type"),
                                (["verify", "--root", ""], "--root: takes a value, and was given an empty one"),
                                (["read", "cart-1", "--as-of", ""], "--as-of: takes a value"),
                                (["tail", "--checkpoint", ""], "--checkpoint: takes a value"),
                                (["append", "shop", "cart-1", "--type", "T", "--after", "p1"], "--after goes with --unless-type or --unless-tag")):
            self.assertIn(told, self.run_baton(*arguments, expect=2).stderr)
        problem = json.loads(self.run_baton("--json", "reed", expect=2).stderr)
        self.assertEqual((problem["error"], "did you mean 'read'?" in problem["detail"]), ("invalid_argument", True))

    def test_what_is_done_is_not_called_failed_when_only_the_closing_fails(self):
        self.append("cart-1")
        calls = self.directory / "calls"
        def append(*inject):
            command = ["strace", "-f", "-qq", "-y", "-o", str(calls), "-e", "trace=fdatasync", *inject, BATON, "--data", str(self.data)]
            alone = os.environ | {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}  # which cannot look for leaks under strace
            return subprocess.run([*command, "append", "shop", "cart-1", "--type", "T"], capture_output=True, text=True, timeout=60, check=False, env=alone)
        self.assertEqual(append().returncode, 0)
        last = calls.read_text().splitlines()[-1]
        self.assertIn("catalogue", last)  # that it was closed in order
        number = sum(line.split()[0] == last.split()[0] for line in calls.read_text().splitlines())
        done = append("-e", f"inject=fdatasync:error=EIO:when={number}")
        self.assertIn("INJECTED", calls.read_text().splitlines()[-1])
        self.assertEqual(done.returncode, 9, done.stderr)
        self.assertIn("is done and on disk", done.stderr)
        self.assertIn("appended version 2", done.stdout)
        self.assertEqual([e["version"] for e in self.lines("read", "cart-1")], [0, 1, 2])

    def test_lines_of_json_are_appended_and_the_bad_one_is_named(self):
        good = '{"stream":"cart-9","type":"LineAdded","id":"1","data":{"n":1}}\n{"stream":"cart-9","type":"LineAdded","id":"2"}\n'
        file = self.directory / "events.ndjson"
        file.write_text(good)
        self.run_baton("append", "shop", "--ndjson", str(file))
        self.assertEqual(len(self.lines("tail", "--from", "beginning", "--no-follow")), 2)
        file.write_text(good + '{"stream":"cart-9","typo":1}\n')
        refused = self.run_baton("append", "shop", "--ndjson", str(file), expect=2)
        self.assertIn("line 3", refused.stderr)
        self.assertEqual(self.lines("info")[0]["events"], 2)

    def test_the_data_of_a_line_is_kept_byte_for_byte(self):
        data = '{"big":123456789012345678901234567890, "money":2.50,"d":1e400,"k":[1,{"x":"}\\""}],"k":2}'
        lines = ['{"stream":"cart-9" , "data" : %s ,"type":"T"}' % data, '{"data":"say \\"hi\\"","content_type":"text/plain","stream":"cart-9","type":"T"}',
                 '{"stream":"cart-9","type":"T","data":-1.0e5}', '{"stream":"cart-9","type":"T","content_type":"text/plain"}']
        self.run_baton("append", "shop", "--ndjson", "-", text="\n".join(lines) + "\n")
        printed = self.run_baton("--json", "read", "cart-9").stdout.splitlines()
        self.assertEqual([line[line.index('"data":') + 7:-1] for line in printed[:3]], [data, '"say \\"hi\\""', "-1.0e5"])
        self.assertIn('"content_type":"text/plain"', printed[3])  # though it has none

    def test_what_is_said_of_one_event_is_refused_for_a_file(self):
        for option in (["--expect", "no-stream"], ["--unless-type", "T"], ["--tag", "a:b"], ["--id", "1"], ["--tenant", "x"], ["--data", "1"], ["--skip-duplicates"]):
            self.assertIn("--ndjson", self.run_baton("append", "shop", "--ndjson", "-", *option, expect=2, text='{"stream":"a","type":"T"}\n').stderr)
        self.assertFalse(self.data.exists())

    def test_an_event_is_one_line_of_json_whatever_its_data(self):
        self.run_baton("append", "shop", "cart-1", "--type", "T", "--data", '{"a": 1,\n "b\\n": 2}')
        self.run_baton("append", "shop", "cart-1", "--type", "T", "--no-data")
        first, second = self.lines("read", "cart-1")
        self.assertEqual((first["data"], "data" in second), ({"a": 1, "b\n": 2}, False))

    def test_what_could_not_be_printed_is_an_error_and_its_checkpoint_stays(self):
        self.append("cart-1")
        with open("/dev/full", "w") as full:
            for arguments in (["read", "cart-1"], ["tail", "shop", "--from", "beginning", "--no-follow", "--checkpoint", "x"]):
                done = subprocess.run([BATON, "--data", str(self.data), *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn("standard output cannot be written", done.stderr)
        self.assertEqual(len(self.lines("tail", "shop", "--from", "beginning", "--no-follow", "--checkpoint", "x")), 1)

    def test_a_program_whose_standard_streams_are_closed_harms_nothing_and_says_that_it_failed(self):
        self.append("cart-1")
        tail = f"{BATON} --data {self.data} tail shop --from beginning --no-follow --checkpoint x"
        for closed in (">&-", "<&- >&-", "<&- >&- 2>&-"):
            done = subprocess.run(["sh", "-c", f"{tail} {closed}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
            self.assertEqual(done.returncode, 1, closed)
        self.assertEqual(len(self.lines("tail", "shop", "--from", "beginning", "--no-follow", "--checkpoint", "x")), 1)
        # No file of the store has the number of a standard stream, into which warnings would be written.
        follower = subprocess.Popen(["sh", "-c", f"exec {BATON} --data {self.data} tail shop <&- >&- 2>&-"])
        self.addCleanup(follower.wait)
        self.addCleanup(follower.kill)
        deadline, files = time.monotonic() + 30, {}
        while not any(name.startswith(str(self.data)) for name in files.values()) and time.monotonic() < deadline:
            for number in os.listdir(f"/proc/{follower.pid}/fd"):
                try:
                    files[number] = os.readlink(f"/proc/{follower.pid}/fd/{number}")
                except FileNotFoundError:  # closed meanwhile
                    pass
        self.assertEqual([files.get(number) for number in "012"], ["/dev/null"] * 3, files)
        self.assertTrue(any(name.startswith(str(self.data)) for name in files.values()), files)

    def test_a_file_that_may_not_grow_is_an_error_and_no_signal(self):
        self.append("cart-1")
        done = subprocess.run(["sh", "-c", f"ulimit -f 1; exec {BATON} --data {self.data} append shop cart-2 --type T"], stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("limit on file sizes", done.stderr)
        self.run_baton("verify")

    def test_a_context_keeps_its_history_unless_it_is_said_that_it_may_go(self):
        self.assertIn("history_deletable", self.run_baton("create-context", "shop", "--retention-ms", "1000", expect=2).stderr)
        self.run_baton("create-context", "shop", "--retention-ms", "-5", "--history-deletable", expect=2)
        self.run_baton("create-context", "shop", "--retention-ms", "1000", "--history-deletable")

    def test_lines_of_json_come_through_a_pipe(self):
        line = '{{"stream":"cart-{0}","type":"LineAdded","id":"{0}","data":{{"n":{0}}}}}\n'
        count = 200
        self.run_baton("append", "shop", "--ndjson", "-", text="".join(line.format(i) for i in range(count)))
        self.assertEqual([e["data"]["n"] for e in self.lines("tail", "--from", "beginning", "--no-follow")], list(range(count)))
        fifo = self.directory / "fifo"
        os.mkfifo(fifo)
        writer = subprocess.Popen(["sh", "-c", f"printf '%s\\n' '{line.format(777_777).strip()}' > {fifo}"])
        self.run_baton("append", "shop", "--ndjson", str(fifo))
        self.assertEqual(writer.wait(), 0)
        self.assertEqual(self.lines("info")[0]["events"], count + 1)

    def test_a_line_that_comes_through_a_pipe_is_stored_before_the_next_one(self):
        self.append("cart-0")
        position = self.lines("read", "cart-0")[0]["position"]
        command = [BATON, "--data", str(self.data), "append", "shop", "--ndjson", "-"]
        line = b'{"stream":"cart-%d","type":"LineAdded","data":{"n":%d}}\n'

        def next_event():
            # Follows until there is one.
            nonlocal position
            event = self.lines("tail", "--from", position, "-n", "1")[0]
            position = event["position"]
            return event["data"]["n"]

        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as appending:
            self.addCleanup(appending.kill)
            for n in range(3):
                appending.stdin.write(line % (n, n))
                appending.stdin.flush()
                self.assertEqual(next_event(), n)
            # Two at once, and the beginning of a third.
            whole = line % (3, 3) + line % (4, 4) + line % (5, 5)
            appending.stdin.write(whole[:-10])
            appending.stdin.flush()
            self.assertEqual([next_event(), next_event()], [3, 4])
            appending.stdin.write(whole[-10:])
            appending.stdin.flush()
            self.assertEqual(next_event(), 5)
            self.assertIsNone(appending.poll())
            out, _ = appending.communicate(timeout=60)
        self.assertEqual((appending.returncode, out), (0, b"6 events appended, 0 were there already\n"))

    def test_tail_filters_and_starts_where_it_is_told(self):
        self.append("cart-1", "LineAdded", "{}", "--tag", "sku:a")
        self.append("cart-2", "CartPaid", "{}")
        first = self.lines("tail", "--from", "beginning", "--no-follow", "-n", "1")[0]
        self.assertEqual(first["stream"], "cart-1")
        after = self.lines("tail", "--from", first["position"], "--no-follow")
        self.assertEqual([e["stream"] for e in after], ["cart-2"])
        self.assertEqual(len(self.lines("tail", "--from", "beginning", "--no-follow", "--type", "CartPaid")), 1)
        self.assertEqual(len(self.lines("tail", "--from", "beginning", "--no-follow", "--tag", "sku:a")), 1)
        self.assertEqual(self.lines("tail", "--from", "end", "--no-follow"), [])

    def test_a_deleted_stream_is_hidden_and_its_versions_go_on(self):
        self.append()
        self.run_baton("delete", "cart-1")
        self.run_baton("read", "cart-1", expect=5)
        self.append()
        self.assertEqual([e["version"] for e in self.lines("read", "cart-1")], [1])

    def test_an_import_rejects_rows_and_adds_nothing_twice(self):
        (self.directory / "map.yaml").write_text(MAP)
        rows = self.directory / "rows.csv"
        rows.write_text("order,at\n1,2026-01-01T00:00:00Z\nx,2026-01-01T00:00:00Z\n2,2026-01-02T00:00:00Z\n")
        first = self.lines("import", str(rows), "--map", str(self.directory / "map.yaml"), expect=3)[0]
        self.assertEqual((first["added"], first["rejected"]), (2, 1))
        self.assertIn("x", (self.directory / "rows.csv.rejects.csv").read_text())
        second = self.lines("import", str(rows), "--map", str(self.directory / "map.yaml"), expect=3)[0]
        self.assertEqual(second["added"], 0)
        (self.directory / "map.yaml").write_text(MAP.replace("stream:", "straem:"))
        wrong = self.run_baton("import", str(rows), "--map", str(self.directory / "map.yaml"), expect=2)
        self.assertIn("stream", wrong.stderr)
        self.assertRegex(wrong.stderr, r"map\.yaml:\d+:\d+")

    def test_an_import_takes_all_that_comes_through_a_pipe(self):
        map_file = self.directory / "map.yaml"
        map_file.write_text("context: c\nformat: ndjson\nfields: {a: {column: a}}\nevents: [{type: T, stream: s, id: '{a}', data: {a: a}}]\n")
        text = "".join('{"a":"%07d"}\n' % n for n in range(20000))
        for name in ("-", "/dev/stdin"):
            checked = json.loads(self.run_baton("--json", "import", name, "--map", str(map_file), "--check", text=text).stdout)
            self.assertEqual((checked["rows"], self.data.exists()), (20000, False))
        done = json.loads(self.run_baton("--json", "import", "-", "--map", str(map_file), text=text).stdout)
        self.assertEqual((done["rows"], done["added"]), (20000, 20000))
        self.assertEqual([e["data"]["a"] for e in self.lines("read", "s", "--limit", "3")], ["0000000", "0000001", "0000002"])
        # Packed, by another way into the same process, and again: nothing is added. What does not fit is kept where the command was given.
        packed = gzip.compress((text + "nonsense\n").encode())
        done = subprocess.run([BATON, "--data", str(self.data), "--json", "import", "/dev/fd/0", "--map", str(map_file)], input=packed, capture_output=True, timeout=60,
                              cwd=self.directory, check=False)
        self.assertEqual(done.returncode, 3, done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual((report["rows"], report["added"], report["rejected"], report["rejects"]), (20001, 0, 1, "import.rejects.csv"))
        self.assertIn("nonsense", (self.directory / "import.rejects.csv").read_text())
        # The map, too, may come through one.
        fifo = self.directory / "fifo"
        os.mkfifo(fifo)
        writer = threading.Thread(target=lambda: fifo.write_text(map_file.read_text()))
        writer.start()
        self.run_baton("import", "-", "--map", str(fifo), text=text)
        writer.join()
        self.assertFalse((self.data / "tmp").exists())

    def test_an_import_that_is_interrupted_while_it_reads_a_pipe_takes_nothing_for_its_end(self):
        map_file = self.directory / "map.yaml"
        map_file.write_text("context: c\nformat: ndjson\nfields: {a: {column: a}}\nevents: [{type: T, stream: s, id: '{a}', data: {a: a}}]\n")
        with subprocess.Popen([BATON, "--data", str(self.data), "import", "-", "--map", str(map_file)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            process.stdin.write('{"a":"1"}\n' * 50)
            process.stdin.flush()
            until = time.monotonic() + 60
            while not list(self.data.glob("tmp/import-*/input")):  # it has read something
                self.assertLess(time.monotonic(), until)
            process.send_signal(signal.SIGINT)
            error = process.stderr.read()  # it ends, though its pipe does not
            self.assertEqual(process.wait(timeout=60), 1, error)
        self.assertIn("nothing was appended", error)
        self.assertFalse(self.data.exists())

    def test_a_view_of_several_partitions_is_told_as_it_was(self):
        self.run_baton("create-context", "c", "--partitions", "2")
        views = self.directory / "views.yaml"
        views.write_text("views:\n  t:\n    context: c\n    tables: CREATE TABLE t (stream TEXT, v INTEGER) STRICT\n"
                         "    on:\n      A: {sql: 'INSERT INTO t VALUES (@stream, :v)', rows: 1}\n    keep: {every: 5, copies: 8}\n")
        def append(stream, *numbers):
            lines = "".join(json.dumps({"stream": stream, "type": "A", "data": {"v": v}}) + "\n" for v in numbers)
            self.run_baton("append", "c", "--ndjson", "-", text=lines)
        append("a", 1)
        append("d", 1)
        self.run_baton("view", "load", str(views))
        append("a", *range(2, 20))
        self.run_baton("view", "update", "t")
        append("d", *range(2, 20))
        self.run_baton("view", "update", "t")
        events = self.lines("tail", "c", "--from", "beginning", "--no-follow")
        self.assertNotIn(",-", events[-1]["position"])  # there are events in both
        self.assertIn(",-", events[0]["position"])
        def told(*as_of):
            return {(r["stream"], r["v"]) for r in self.lines("view", "query", "t", "SELECT * FROM t", *as_of)}
        for n, event in enumerate(events):
            self.assertEqual(told("--as-of-position", event["position"]), {(e["stream"], e["data"]["v"]) for e in events[:n + 1]}, event)
            self.assertEqual(told("--as-of", event["recorded"]), {(e["stream"], e["data"]["v"]) for e in events if e["recorded"] <= event["recorded"]}, event)

    def test_a_view_is_kept_asked_rebuilt_and_rolled_back(self):
        (self.directory / "views.yaml").write_text(VIEWS)
        self.append()
        position = self.lines("read", "cart-1")[0]["position"]
        self.run_baton("view", "load", str(self.directory / "views.yaml"))
        self.append("cart-1", "LineAdded", '{"sku":"a","n":5}')
        self.run_baton("view", "update")
        self.assertEqual(self.lines("view", "query", "totals", "SELECT * FROM total"), [{"sku": "a", "n": 7}])
        past = self.lines("view", "query", "totals", "SELECT n FROM total", "--as-of-position", position)
        self.assertEqual(past, [{"n": 2}])
        self.assertTrue(self.lines("view", "rebuild", "totals")[0]["equal"])
        self.run_baton("view", "rollback", "totals")
        self.assertEqual(self.lines("view", "list")[0]["view"], "totals")
        self.run_baton("view", "query", "totals", "DELETE FROM total", expect=2)
        self.run_baton("view", "query", "nothing", "SELECT 1", expect=5)
        (self.data / "views" / "totals" / "CURRENT").write_text("nonsense")
        self.run_baton("view", "query", "totals", "SELECT 1", expect=7)
        self.run_baton("view", "drop", "totals")  # what is damaged, too
        self.assertEqual(self.lines("view", "list"), [])

    def test_what_json_prints_can_be_appended_elsewhere_as_it_is(self):
        lines = [{"stream": "s", "type": "A", "id": "1", "source": "/x", "time": "2014-01-01T08:12:00Z", "tenant": "t", "correlation": "c", "causation": "d", "subject": "u",
                  "tags": ["a:b", "c:d,e"], "headers": [["h", "v"], ["h", "\u00e9, =%"], ["bin", None, "/wD+"], ["empty", ""]], "data": {"n": 1.50}},
                 {"stream": "s", "type": "B", "id": "2", "content_type": "application/octet-stream", "data_base64": "//4A"},
                 {"stream": "s", "type": "C", "id": "3", "content_type": "text/plain", "data": "caf\u00e9 \"quoted\""},
                 {"stream": "s", "type": "D", "id": "4", "content_type": "application/json", "data": "text"},
                 {"stream": "s", "type": "E", "id": "5", "content_type": "application/json", "data_base64": "bm8ganNvbg=="},
                 {"stream": "s", "type": "F", "id": "6"}]
        file = self.directory / "first.ndjson"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.run_baton("append", "one", "--ndjson", str(file))
        first = self.lines("read", "s", "--context", "one")
        self.assertEqual([event.get("data_base64") for event in first], [None, "//4A", None, None, "bm8ganNvbg==", None])
        self.assertEqual(first[0]["headers"], lines[0]["headers"])
        self.assertEqual([event.get("data") for event in first], [{"n": 1.5}, None, lines[2]["data"], "text", None, None])
        copy = self.directory / "copy.ndjson"
        copy.write_text("".join(json.dumps(event) + "\n" for event in first))
        self.run_baton("append", "two", "--ndjson", str(copy))
        second = self.lines("read", "s", "--context", "two")
        place = ("context", "position", "recorded")
        self.assertEqual([{k: v for k, v in e.items() if k not in place} for e in second], [{k: v for k, v in e.items() if k not in place} for e in first])
        # What stands before a line that is wrong has been appended.
        copy.write_text(json.dumps(first[0]) + "\n" + json.dumps({"stream": "s", "system": "deleted"}) + "\n")
        done = self.run_baton("append", "three", "--ndjson", str(copy), expect=2)
        self.assertIn("line 2", done.stderr)
        self.assertIn("has been appended (1 events)", done.stderr)

    def test_a_view_that_cannot_go_on_keeps_no_other_from_it(self):
        one = "  {}:\n    context: {}\n    tables: CREATE TABLE t (sku TEXT, n INTEGER)\n    on: {{LineAdded: 'INSERT INTO t VALUES (:{}, :n)'}}\n"
        (self.directory / "three.yaml").write_text("views:\n" + one.format("bad", "shop", "colour") + one.format("early", "elsewhere", "sku") + one.format("good", "shop", "sku"))
        self.run_baton("append", "shop", "cart-1", "--type", "LineAdded", "--data", '{"sku":"a","n":3}')
        done = self.run_baton("view", "load", str(self.directory / "three.yaml"), expect=5)
        self.assertIn("view 'bad' has stopped", done.stderr)
        self.assertIn("view 'early': no context elsewhere", done.stderr)
        self.assertEqual(self.lines("view", "query", "good", "SELECT * FROM t"), [{"sku": "a", "n": 3}])
        self.run_baton("append", "shop", "cart-1", "--type", "LineAdded", "--data", '{"sku":"b","n":4}')
        self.run_baton("view", "update", expect=5)
        self.assertEqual(self.lines("view", "query", "good", "SELECT sum(n) AS n FROM t"), [{"n": 7}])

    def test_a_view_may_be_built_again_from_another_context(self):
        self.run_baton("append", "shop", "cart-1", "--type", "LineAdded", "--data", '{"sku":"a","n":3}')
        (self.directory / "views.yaml").write_text(VIEWS)
        self.run_baton("view", "load", str(self.directory / "views.yaml"))
        self.run_baton("append", "market", "cart-1", "--type", "LineAdded", "--data", '{"sku":"b","n":5}')
        (self.directory / "views.yaml").write_text(VIEWS.replace("context: shop", "context: market"))
        self.run_baton("view", "load", str(self.directory / "views.yaml"), expect=4)
        (report,) = self.lines("view", "rebuild", "totals")
        self.assertFalse(report["equal"])
        self.assertIn("of context shop", report["note"])
        self.assertEqual(self.lines("view", "query", "totals", "SELECT * FROM total"), [{"sku": "b", "n": 5}])
        self.run_baton("append", "market", "cart-1", "--type", "LineAdded", "--data", '{"sku":"b","n":1}')
        self.run_baton("view", "update")
        self.assertTrue(self.lines("view", "rebuild", "totals")[0]["equal"])
        self.assertEqual(self.lines("view", "query", "totals", "SELECT * FROM total"), [{"sku": "b", "n": 6}])

    def test_a_backup_is_taken_while_another_process_has_the_store_open_for_writing(self):
        self.append()
        with (self.data / "LOCK").open("r+b") as lock:
            fcntl.fcntl(lock, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))  # F_OFD_SETLK, as a writer does
            self.append(expect=6)
            self.run_baton("backup", str(self.directory / "backup"))
            self.run_baton("backup", str(self.directory / "backup"), expect=2)
        self.append()
        self.data = self.directory / "restored"
        self.run_baton("restore", str(self.directory / "backup"))
        self.assertEqual(self.lines("info")[0]["events"], 1)

    def test_a_backup_is_restored_and_a_flipped_bit_is_found(self):
        for n in range(20):
            self.append("cart-1", "LineAdded", json.dumps({"n": n}))
        self.run_baton("backup", str(self.directory / "backup"))
        self.assertEqual(self.lines("verify")[-1]["findings"], 0)
        events = self.lines("read", "cart-1")
        segment = next(self.data.glob("topics/*/0/*.log"))
        with segment.open("r+b") as file:
            file.seek(700)
            byte = file.read(1)[0]
            file.seek(700)
            file.write(bytes([byte ^ 1]))
        found = self.run_baton("verify", expect=7)
        self.assertIn(str(segment.relative_to(self.data)), found.stdout)
        self.data = self.directory / "restored"
        self.run_baton("restore", str(self.directory / "backup"))
        self.assertEqual([e["data"] for e in self.lines("read", "cart-1")], [e["data"] for e in events])
        self.run_baton("restore", str(self.directory / "backup"), expect=2)


if __name__ == "__main__":
    unittest.main()
