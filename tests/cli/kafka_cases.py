"""What baton topics, produce, consume, groups and acls do with any cluster: the same tests run against Baton and against Kafka."""
import base64
import json
import os
import signal
import subprocess
import time

WAIT = 60  # seconds, for everything that must come; then it is a failure

EVERY_BYTE = bytes(range(256))


class KafkaCli:
    """Mixed into a TestCase that has `program` and `bootstrap`."""

    def environment(self):
        return {k: v for k, v in os.environ.items() if not k.startswith("BATON_")} | {"BATON_BOOTSTRAP": self.bootstrap}

    def run_baton(self, *arguments, expect=0, text=None):
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, input=text if isinstance(text, bytes) else (text or "").encode(),
                              env=self.environment(), timeout=WAIT, check=False)
        self.assertEqual(done.returncode, expect, f"{arguments}: {done.stdout.decode()}{done.stderr.decode()}")
        return done

    def lines(self, *arguments, **options):
        return [json.loads(line) for line in self.run_baton("--json", *arguments, **options).stdout.splitlines()]

    def error(self, *arguments, **options):
        """The last line of standard error, of a command that fails."""
        return self.run_baton(*arguments, **options).stderr.decode().splitlines()[-1]

    def start(self, *arguments, **options):
        """A command that goes on; what it prints is read a line at a time."""
        process = subprocess.Popen([self.program, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment(), **options)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()

    def finish(self, process, expect=0):
        out, err = process.communicate(timeout=WAIT)
        self.assertEqual(process.returncode, expect, err.decode())
        return out, err

    def topic(self, name, partitions=1, *config):
        self.run_baton("topics", "create", name, "--partitions", partitions, *[a for c in config for a in ("--config", c)])
        return name

    def fill(self, topic, count, first=0):
        self.run_baton("produce", topic, text="".join(f"{n}\n" for n in range(first, first + count)))

    def group(self, name):
        return self.lines("groups", "describe", name)[0]

    def committed(self, group):
        return {p["partition"]: p["committed"] for p in self.group(group)["partitions"]}


class AnyCluster(KafkaCli):
    CHANGES_ARE_SEEN_AT_ONCE = True

    def test_topics_are_made_listed_described_and_deleted(self):
        self.topic("plain", 3)
        self.assertIn({"topic": "plain", "partitions": 3}, self.lines("topics", "list"))
        topic = self.lines("topics", "describe", "plain")[0]
        self.assertEqual([(p["partition"], p["first"], p["end"]) for p in topic["partitions"]], [(0, 0, 0), (1, 0, 0), (2, 0, 0)])
        again = self.error("topics", "create", "plain", expect=2)
        self.assertIn("TOPIC_ALREADY_EXISTS", again)
        self.assertEqual(self.lines("topics", "create", "plain", "--if-not-exists"), [{"topic": "plain", "created": False}])
        self.assertEqual(self.lines("topics", "alter", "plain", "--partitions", 5), [{"topic": "plain", "partitions": 5}])
        self.assertIn("would not be an increase", self.error("topics", "alter", "plain", "--partitions", 4, expect=2))
        self.run_baton("topics", "delete", "plain")
        self.assertNotIn("plain", [t["topic"] for t in self.lines("topics", "list")])
        self.assertIn("no topic 'plain'", self.error("topics", "describe", "plain", expect=5))

    def test_settings_of_a_topic_are_changed_one_by_one(self):
        self.topic("kept", 1, "retention.ms=100000000")
        own = lambda lines: {s["name"]: s["value"] for s in lines if s["source"] == "topic"}  # noqa: E731
        self.assertEqual(own(self.lines("topics", "config", "kept")), {"retention.ms": "100000000"})

        def change(expected, *arguments):
            seen, deadline = own(self.lines("topics", "config", "kept", *arguments)), time.monotonic() + 30
            while seen != expected and not self.CHANGES_ARE_SEEN_AT_ONCE and time.monotonic() < deadline:
                seen = own(self.lines("topics", "config", "kept"))
            self.assertEqual(seen, expected)

        change({"retention.ms": "100000000", "retention.bytes": "5000000"}, "--set", "retention.bytes=5000000")
        change({"retention.ms": "200000000"}, "--set", "retention.ms=200000000", "--unset", "retention.bytes")
        self.assertIn("did you mean 'retention.ms'", self.error("topics", "config", "kept", "--set", "retntion.ms=1", expect=2))
        self.assertIn("INVALID_CONFIG", self.error("topics", "config", "kept", "--set", "retention.ms=soon", expect=2))

    def test_what_is_consumed_as_json_can_be_produced_again_byte_for_byte(self):
        self.topic("one", 2)
        self.topic("two", 2)
        coded = base64.b64encode(EVERY_BYTE).decode()
        sent = [
            {"key": "a", "value": "text", "headers": [{"name": "h", "value": "1"}, {"name": "h", "value": ""}, {"name": "n", "value": None}]},
            {"key_base64": coded, "value_base64": coded, "headers": [{"name": "b", "value_base64": coded}], "partition": 0},
            {"key": None, "value": None, "partition": 1, "timestamp": "2026-01-02T03:04:05.678Z"},
            {"key": "", "value": "", "partition": 1, "timestamp": 1700000000123},
            {"key": "ü", "value": "line\nline\r\n\u0000", "headers": []},
        ]
        text = "".join(json.dumps(record) + "\n" for record in sent)
        self.assertEqual(self.lines("produce", "one", text=text), [{"acknowledged": 5, "failed": 0, "unanswered": 0}])
        first = self.run_baton("--json", "consume", "one", "--until-end").stdout
        self.run_baton("--json", "produce", "two", text=first)
        second = self.run_baton("--json", "consume", "two", "--until-end").stdout
        order = lambda out: sorted((json.loads(line) | {"topic": ""} for line in out.splitlines()), key=lambda r: (r["partition"], r["offset"]))  # noqa: E731
        self.assertEqual(order(first), order(second))
        got = {json.dumps(r.get("key", r.get("key_base64"))): r for r in order(first)}
        self.assertEqual(len(got), 5)
        for record in sent:
            for field in record:
                if field != "timestamp":
                    self.assertEqual(got[json.dumps(record.get("key", record.get("key_base64")))][field], record[field])
        self.assertEqual(got["null"]["timestamp"], "2026-01-02T03:04:05.678Z")

    def test_every_codec_comes_back(self):
        topic = self.topic("packed")
        expected = b""
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            text = b"".join(b"%s %d %s\n" % (codec.encode(), n, b"x" * 500) for n in range(200))
            self.run_baton("produce", topic, "--compression", codec, text=text)
            expected += text
        self.assertEqual(self.run_baton("consume", topic, "--until-end").stdout, expected)

    def test_lines_have_keys_headers_and_partitions(self):
        topic = self.topic("shaped", 3)
        self.run_baton("produce", topic, "--key-separator", r"\t", "--header", "a=1", "--header", "b=x=y", "--partition", 2, "--null", "NULL",
                       text="k\tv\twith tab\n\tempty key\nk\tNULL")
        got = self.lines("consume", topic, "--until-end", "--partition", 2)
        self.assertEqual([(r["key"], r["value"]) for r in got], [("k", "v\twith tab"), ("", "empty key"), ("k", None)])
        self.assertEqual(got[0]["headers"], [{"name": "a", "value": "1"}, {"name": "b", "value": "x=y"}])
        self.run_baton("produce", topic, "--key", "fixed", "--acks", 1, text="one\n\n")
        keyed = [r for r in self.lines("consume", topic, "--until-end") if r["key"] == "fixed"]
        self.assertEqual([r["value"] for r in keyed], ["one", ""])
        self.assertIn(b"k=v\twith tab\n", self.run_baton("consume", topic, "--until-end", "--key-separator", "=").stdout)

    def test_a_key_has_the_partition_that_java_gives_it(self):
        topic = self.topic("hashed", 4)
        keys = [f"ride-{n}" for n in range(40)]
        self.run_baton("produce", topic, "--key-separator", ":", text="".join(f"{k}:x\n" for k in keys))
        self.assertEqual({r["key"]: r["partition"] for r in self.lines("consume", topic, "--until-end")}, {k: murmur2(k.encode()) % 4 for k in keys})

    def test_reading_starts_where_it_is_told_and_ends_where_it_is_told(self):
        topic = self.topic("ranged")
        self.run_baton("--json", "produce", topic, text="".join(json.dumps({"value": str(n), "timestamp": 1700000000000 + n * 1000}) + "\n" for n in range(10)))
        read = lambda *a: [int(r["value"]) for r in self.lines("consume", topic, *a)]  # noqa: E731
        self.assertEqual(read("--until-end"), list(range(10)))
        self.assertEqual(read("--until-end", "--from", "7"), [7, 8, 9])
        self.assertEqual(read("--until-end", "--from", "-2"), [8, 9])
        self.assertEqual(read("--until-end", "--from", "2023-11-14T22:13:25Z"), [5, 6, 7, 8, 9])
        self.assertEqual(read("--until-end", "--from", "end"), [])
        self.assertEqual(read("--from", "2", "--max", "3"), [2, 3, 4])
        self.assertIn("offsets from 0 to 10, not 99", self.run_baton("consume", topic, "--until-end", "--from", 99).stderr.decode())
        self.assertEqual(self.lines("topics", "offsets", topic, "--time", "2023-11-14T22:13:25Z"), [{"partition": 0, "first": 0, "end": 10, "at_time": 5}])

    def test_it_follows_what_comes_and_ends_on_a_signal(self):
        topic = self.topic("followed")
        self.fill(topic, 2)
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start("consume", topic)
            self.assertEqual([process.stdout.readline() for _ in range(2)], [b"0\n", b"1\n"])
            self.run_baton("produce", topic, text=f"by {number}\n")
            while process.stdout.readline() != f"by {number}\n".encode():
                pass
            process.send_signal(number)
            self.finish(process)

    def test_a_pipe_that_closes_ends_it_quietly(self):
        topic = self.topic("piped")
        self.fill(topic, 50_000)
        process = self.start("consume", topic)
        self.assertEqual(process.stdout.readline(), b"0\n")
        process.stdout.close()
        self.assertEqual(process.stderr.read(), b"")
        self.assertEqual(process.wait(timeout=WAIT), 0)

    def test_a_group_goes_on_where_it_stood_and_its_lag_is_shown(self):
        topic = self.topic("grouped")
        self.fill(topic, 10)
        self.assertEqual(self.run_baton("consume", topic, "--group", "g1", "--max", 4).stdout, b"0\n1\n2\n3\n")
        self.assertIn({"group": "g1", "state": "Empty"}, self.lines("groups", "list"))
        self.assertEqual(self.group("g1")["partitions"], [{"topic": topic, "partition": 0, "committed": 4, "end": 10, "lag": 6, "member": None}])
        self.assertIn("6 behind", self.run_baton("groups", "describe", "g1").stdout.decode())
        self.assertEqual(self.run_baton("consume", topic, "--group", "g1", "--until-end").stdout, b"4\n5\n6\n7\n8\n9\n")
        self.assertEqual(self.run_baton("consume", topic, "--group", "g1", "--until-end").stdout, b"")
        self.assertEqual(self.group("g1")["partitions"][0]["lag"], 0)

    def test_a_group_is_moved_and_deleted_when_nobody_is_in_it(self):
        topic = self.topic("moved")
        self.fill(topic, 10)
        self.run_baton("consume", topic, "--group", "g2", "--until-end")
        tried = self.lines("groups", "reset", "g2", "--topic", topic, "--to", "beginning", "--dry-run")
        self.assertEqual(tried, [{"group": "g2", "topic": topic, "partition": 0, "before": 10, "after": 0, "lag": 10, "dry_run": True}])
        self.assertEqual(self.committed("g2"), {0: 10})
        for to, offset in (("beginning", 0), ("7", 7), ("-1", 9), ("latest", 10), ("1970-01-01T00:00:01Z", 0), ("5", 5)):
            self.run_baton("groups", "reset", "g2", "--topic", topic, "--to", to)
            self.assertEqual(self.committed("g2"), {0: offset})
        member = self.start("consume", topic, "--group", "g2")
        self.assertEqual(member.stdout.readline(), b"5\n")
        self.assertEqual([(p["topic"], p["partition"]) for m in self.group("g2")["members"] for p in m["partitions"]], [(topic, 0)])
        self.assertIn("stop its consumers first", self.error("groups", "reset", "g2", "--topic", topic, "--to", "end", expect=1))
        self.assertIn("NON_EMPTY_GROUP", self.error("groups", "delete", "g2", expect=1))
        member.send_signal(signal.SIGINT)
        self.finish(member)
        self.assertEqual(self.committed("g2"), {0: 10})
        self.run_baton("groups", "delete", "g2")
        self.assertIn("no group 'g2'", self.error("groups", "describe", "g2", expect=5))
        self.assertIn("no group 'g2'", self.error("groups", "delete", "g2", expect=5))
        # Where a group that does not exist yet will start.
        self.run_baton("groups", "reset", "g3", "--topic", topic, "--to", "8")
        self.assertEqual(self.run_baton("consume", topic, "--group", "g3", "--until-end").stdout, b"8\n9\n")

    def test_two_members_share_the_partitions_and_the_rest_goes_to_who_stays(self):
        topic = self.topic("shared", 2)
        members = [self.start("consume", topic, "--group", "pair", "--json") for _ in range(2)]
        while sorted(len(m["partitions"]) for m in self.group_or_none("pair")) != [1, 1]:
            pass
        for partition in range(2):
            self.run_baton("produce", topic, "--partition", partition, text=f"{partition}\n")
        got = [json.loads(m.stdout.readline()) for m in members]
        self.assertEqual(sorted((r["partition"], r["value"]) for r in got), [(0, "0"), (1, "1")])
        members[0].send_signal(signal.SIGTERM)
        self.finish(members[0])
        self.run_baton("produce", topic, "--partition", got[0]["partition"], text="next\n")
        self.assertEqual(json.loads(members[1].stdout.readline())["value"], "next")
        members[1].send_signal(signal.SIGTERM)
        self.finish(members[1])
        self.assertEqual(sum(self.committed("pair").values()), 3)

    def group_or_none(self, name):
        done = subprocess.run([self.program, "--json", "groups", "describe", name], capture_output=True, env=self.environment(), timeout=WAIT, check=False)
        return json.loads(done.stdout)["members"] if done.returncode == 0 else []

    def test_nothing_is_lost_to_a_group_when_its_member_is_killed(self):
        topic = self.topic("killed")
        total = 30_000
        self.fill(topic, total)
        seen = []
        for stop in (1, 5_000, 12_000):
            # A short session, since the one who was killed is missed only when it is over.
            process = self.start("consume", topic, "--group", "victims", "--client-config", "session.timeout.ms=6000")
            read = 0
            while read < stop:
                seen.append(int(process.stdout.readline()))
                read += 1
            process.kill()
            process.wait()
            # What it had printed is its reader's, also what still stands in the pipe; a line that was cut was not.
            seen += [int(line) for line in process.stdout.read().split(b"\n")[:-1]]
        seen += [int(line) for line in self.run_baton("consume", topic, "--group", "victims", "--until-end").stdout.split()]
        self.assertEqual(set(seen), set(range(total)))
        self.assertEqual(self.committed("victims"), {0: total})

    def test_mistakes_say_what_to_do(self):
        topic = self.topic("wrongs")
        self.assertIn("'baton topics list' shows what there is", self.error("consume", "nowhere", expect=5))
        self.assertIn("so does --create", self.error("produce", "nowhere", text="x\n", expect=5))
        self.assertNotIn("nowhere", [t["topic"] for t in self.lines("topics", "list")])
        self.assertIn("has no partition 7", self.error("consume", topic, "--partition", 7, expect=5))
        self.assertIn("has no partition 7", self.error("produce", topic, "--partition", 7, expect=2))
        self.assertIn("is none of: beginning", self.error("consume", topic, "--from", "noon", expect=2))
        self.assertIn("'baton groups reset' sets", self.error("consume", topic, "--group", "g", "--from", "3", expect=2))
        self.assertIn('No such configuration property: "speed"', self.error("topics", "list", "--client-config", "speed=1", expect=2))
        self.assertIn("NAME=VALUE", self.error("topics", "list", "--client-config", "speed", expect=2))
        self.assertIn("no Kerberos", self.error("topics", "list", "--client-config", "security.protocol=sasl_plaintext", expect=2))
        self.run_baton("produce", topic, "--compression", "rar", expect=2)
        self.assertIn("--idempotent needs --acks all", self.error("produce", topic, "--acks", "1", "--idempotent", expect=2))
        self.run_baton("consume", topic, "--group", "g", "--partition", "0", expect=2)

    def test_a_line_that_is_wrong_is_named_and_those_before_it_are_sent(self):
        topic = self.topic("lined")
        refused = json.loads(self.error("--json", "produce", topic, text='{"value":"1"}\n\n{"value":"3"}\n{"valeu":"4"}\n{"value":"5"}\n', expect=2))
        self.assertEqual(refused["error"], "invalid_argument")
        self.assertIn("standard input: line 4: 'valeu' is no key of a record; did you mean 'value'?", refused["detail"])
        self.assertEqual(self.run_baton("consume", topic, "--until-end").stdout, b"1\n3\n")
        self.assertIn("line 2: no \":\" that ends the key", self.error("produce", topic, "--key-separator", ":", text="a:b\nc\n", expect=2))
        too_large = self.error("produce", topic, text="x" * 1_100_000 + "\n", expect=2)
        self.assertIn("standard input: line 1: the record is larger than message.max.bytes", too_large)
        self.assertIn("line 1 is larger than 16 MiB", self.error("produce", topic, text=b"x" * (17 << 20), expect=2))

    def test_a_line_is_sent_before_the_next_one_comes_and_a_signal_says_where_it_stopped(self):
        topic = self.topic("typed")
        reader = self.start("consume", topic)
        writer = self.start("produce", topic, stdin=subprocess.PIPE)
        for n in range(3):
            writer.stdin.write(b"%d\n" % n)
            writer.stdin.flush()
            self.assertEqual(reader.stdout.readline(), b"%d\n" % n)
        writer.stdin.write(b"half a li")
        writer.stdin.flush()
        writer.send_signal(signal.SIGTERM)
        out, err = writer.stdout.read(), writer.stderr.read()  # while its input is still open
        self.assertEqual((writer.wait(timeout=WAIT), out), (1, b"3 records acknowledged\n"))
        self.assertIn(b"stopped by a signal; what was read is acknowledged, the next line is 4", err)
        writer.stdin.close()
        reader.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(reader)[0], b"")

    # Every cluster here lets everybody do what no entry speaks of, and ANONYMOUS everything, or no other test could do its work.
    def test_entries_of_access_control_are_added_listed_and_removed(self):
        who = ["User:importer", "--host", "10.0.0.7"]
        entry = {"resource": "topic", "name": "rides", "pattern": "literal", "principal": "User:importer", "host": "10.0.0.7", "operation": "write", "permission": "allow"}
        self.assertEqual(self.lines("acls", "list"), [])
        self.assertEqual(self.lines("acls", "add", *who, "--topic", "rides", "--operation", "WRITE"), [entry])
        self.assertEqual(self.lines("acls", "add", *who, "--topic", "rides", "--operation", "write"), [entry])
        self.assertEqual(self.lines("acls", "list"), [entry])
        self.run_baton("acls", "add", *who, "--topic", "rides", "--topic", "bikes", "--produce")
        self.assertEqual([(a["name"], a["operation"]) for a in self.lines("acls", "list")], [(n, o) for n in ("bikes", "rides") for o in ("create", "describe", "write")])
        self.run_baton("acls", "add", "User:billing", "--topic", "rides", "--group", "billing", "--consume")
        self.assertEqual([(a["resource"], a["operation"], a["host"]) for a in self.lines("acls", "list", "--principal", "User:billing")],
                         [("group", "read", "*"), ("topic", "describe", "*"), ("topic", "read", "*")])
        self.run_baton("acls", "add", "User:*", "--deny", "--prefixed", "--topic", "ri", "--operation", "delete")
        self.run_baton("acls", "add", "User:admin", "--cluster", "--operation", "alter-configs")
        self.assertEqual([a["resource"] for a in self.lines("acls", "list", "--cluster")], ["cluster"])
        # By name, by prefix, and all that applies.
        self.assertEqual(self.lines("acls", "list", "--topic", "ri", "--prefixed")[0]["permission"], "deny")
        self.assertEqual({a["principal"] for a in self.lines("acls", "list", "--topic", "rides")}, {"User:importer", "User:billing"})
        self.assertEqual({a["principal"] for a in self.lines("acls", "list", "--topic", "rides", "--applying")}, {"User:importer", "User:billing", "User:*"})
        self.assertEqual([a["name"] for a in self.lines("acls", "list", "--deny")], ["ri"])
        self.assertEqual(self.lines("acls", "list", "--topic", "ri"), [])
        # What is removed is what is named, and no more.
        gone = self.lines("acls", "remove", "--topic", "rides", "--operation", "describe", "--principal", "User:importer", "--principal", "User:billing", "--dry-run")
        self.assertEqual([a["principal"] for a in gone], ["User:billing", "User:importer"])
        before = self.lines("acls", "list")
        self.assertEqual(self.lines("acls", "remove", "--topic", "rides", "--operation", "describe", "--principal", "User:importer", "--principal", "User:billing"), gone)
        self.assertEqual(self.lines("acls", "list"), [a for a in before if a not in gone])
        self.assertIn("no entry is like that", self.error("acls", "remove", "--topic", "nobody", expect=5))
        self.assertIn("9 entries removed", self.run_baton("acls", "remove", "--all").stdout.decode())
        self.assertEqual(self.lines("acls", "list"), [])

    def test_an_entry_that_would_have_no_effect_is_refused(self):
        for arguments, problem in ((["add", "importer", "--topic", "t", "--operation", "read"], "TYPE:NAME"),
                                   (["add", "User:a", "--operation", "read"], "on what?"),
                                   (["add", "User:a", "--topic", "t"], "to do what?"),
                                   (["add", "User:a", "--topic", "t", "--operation", "raed"], "did you mean 'read'?"),
                                   (["add", "User:a", "--group", "g", "--operation", "write"], "nobody asks for write on a group"),
                                   (["add", "User:a", "--group", "g", "--produce"], "needs a --topic"),
                                   (["add", "User:a", "--cluster", "--prefixed", "--operation", "alter"], "the cluster has none"),
                                   (["add", "User:a", "--topic", "t", "--cluster", "--consume"], "says nothing of a cluster"),
                                   (["add", "User:a", "--topic", "t*", "--operation", "read"], "no topic can be named 't*'"),
                                   (["add", "User:a", "--topic", "*", "--prefixed", "--operation", "read"], "nor begin so"),
                                   (["add", "User:a", "--topic", "", "--operation", "read"], "no topic can be named"),
                                   (["add", "User:a", "--group", "g" * 32_768, "--operation", "read"], "at most 32767 bytes"),
                                   (["remove", "--topic", "t" * 65_535], "at most 32767 bytes"),
                                   (["list", "--host", "h" * 40_000], "at most 32767 bytes"),
                                   (["list", "--principal", "importer"], "TYPE:NAME"),
                                   (["list", "--applying"], "--applying needs a --topic"),
                                   (["remove", "--cluster", "--topic", "t", "--prefixed"], "the cluster has none"),
                                   (["remove"], "or --all"),
                                   (["remove", "--all", "--topic", "t"], "nothing else")):
            self.assertIn(problem, self.error("acls", *arguments, expect=2))
        # Some of several: the others are there.
        refused = self.error("acls", "add", "User:a", "--group", "", "--topic", "kept", "--operation", "read", "--operation", "describe", expect=2)
        self.assertIn("INVALID_REQUEST", refused)
        self.assertIn("and 1 more", refused)
        self.assertEqual([(a["name"], a["operation"]) for a in self.lines("acls", "list")], [("kept", "describe"), ("kept", "read")])
        self.run_baton("acls", "remove", "--all")

    def test_what_is_removed_is_what_was_named_and_no_more(self):
        for more in (["--prefixed"], []):
            for name in ("rides", "rides-eu"):
                self.run_baton("acls", "add", "User:a", "--topic", name, "--operation", "read", *more)
        self.run_baton("acls", "add", "User:a", "--topic", "*", "--operation", "read")
        everything = self.lines("acls", "list")
        for more, gone in (([], ("rides", "literal")), (["--prefixed"], ("rides", "prefixed"))):
            removed = self.lines("acls", "remove", "--topic", "rides", "--topic", "rides", "--operation", "read", "--operation", "READ", *more)
            self.assertEqual([(a["name"], a["pattern"]) for a in removed], [gone])
        self.assertEqual(self.lines("acls", "list"), [a for a in everything if a["name"] != "rides"])
        self.assertEqual([a["pattern"] for a in self.lines("acls", "remove", "--topic", "*")], ["literal"])
        self.assertEqual(len(self.lines("acls", "remove", "--all")), 2)


def murmur2(data):
    """The hash of Kafka's default partitioner, made positive as it does."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i:i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    if rest := data[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return (h ^ h >> 15) & 0x7FFFFFFF
