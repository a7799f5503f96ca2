#!/usr/bin/env python3
"""Apache Kafka's own console tools against `baton serve`, used as people use them, and promtool on what it counts: console_test.py BATON."""
import re
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from cases import WAIT, ClientCase, main

PEERS = Path(__file__).resolve().parents[2] / "tools/peers"
TOOLS = "org.apache.kafka.tools."
CONFIGS = "kafka.admin.ConfigCommand"


class ConsoleCase(ClientCase):
    def tool(self, name, *arguments, text="", expect=0):
        """What a tool prints; a JVM is begun for it."""
        done = subprocess.run([PEERS / "kafka", "run", name if name == CONFIGS else TOOLS + name, "--bootstrap-server", self.bootstrap, *map(str, arguments)],
                              input=text, capture_output=True, text=True, timeout=3 * WAIT)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout + (done.stderr if expect else "")

    def topics(self, *arguments, **options):
        return self.tool("TopicCommand", *arguments, **options)

    def produce(self, topic, text, *arguments):
        return self.tool("ConsoleProducer", "--topic", topic, *arguments, text=text)

    def consume(self, topic, count, *arguments):
        return self.tool("consumer.ConsoleConsumer", "--topic", topic, "--max-messages", count, "--timeout-ms", WAIT * 1000, *arguments).splitlines()

    def groups(self, *arguments, **options):
        return self.tool("consumer.group.ConsumerGroupCommand", *arguments, **options)

    def performance(self, topic, count, *arguments, size=100):
        """Options of the tool, then settings of the producer."""
        options = [a for a in arguments if a.startswith("--")]
        settings = [a for a in arguments if not a.startswith("--")]
        done = subprocess.run([PEERS / "kafka", "run", TOOLS + "ProducerPerformance", "--topic", topic, "--num-records", str(count), "--record-size", str(size),
                               "--throughput", "-1", *options, "--producer-props", f"bootstrap.servers={self.bootstrap}", *settings],
                              capture_output=True, text=True, timeout=3 * WAIT)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def rows(self, text):
        """The table that a tool prints, as one dictionary a row."""
        lines = [line.split() for line in text.splitlines() if line.strip()]
        head = next(i for i, line in enumerate(lines) if line[0] == "GROUP")
        return [dict(zip(lines[head], line)) for line in lines[head + 1:]]

    def offsets(self, topic, *arguments):
        """Partition -> offset."""
        text = self.tool("GetOffsetShell", "--topic", topic, *arguments)
        return {int(p): int(offset) for p, offset in re.findall(rf"^{topic}:(\d+):(\d+)$", text, re.M)}


class Topics(ConsoleCase):
    def test_topics_are_made_listed_described_changed_and_removed(self):
        self.assertIn("Created topic rides", self.topics("--create", "--topic", "rides", "--partitions", 3, "--config", "retention.ms=3600000"))
        self.assertIn("already exists", self.topics("--create", "--topic", "rides", "--partitions", 3, expect=1))
        self.topics("--create", "--topic", "rides", "--partitions", 3, "--if-not-exists")
        self.topics("--create", "--topic", "stations")
        self.assertEqual(self.topics("--list").split(), ["rides", "stations"])
        described = self.topics("--describe", "--topic", "rides")
        self.assertIn("PartitionCount: 3", described)
        self.assertIn("ReplicationFactor: 1", described)
        self.assertIn("retention.ms=3600000", described)
        self.assertEqual(len(re.findall(r"Partition: \d+\s+Leader: 1\s+Replicas: 1\s+Isr: 1", described)), 3)
        self.assertIn("would not be an increase", self.topics("--alter", "--topic", "rides", "--partitions", 2, expect=1))
        self.topics("--alter", "--topic", "rides", "--partitions", 5)
        self.assertIn("PartitionCount: 5", self.topics("--describe", "--topic", "rides"))
        self.topics("--delete", "--topic", "rides")
        self.assertEqual(self.topics("--list").split(), ["stations"])
        self.assertIn("does not exist", self.topics("--describe", "--topic", "rides", expect=1))

    def test_settings_of_topics_are_described_and_changed(self):
        self.topics("--create", "--topic", "rides")
        of_topic = ("--entity-type", "topics", "--entity-name", "rides")
        self.assertIn("Completed updating", self.tool(CONFIGS, *of_topic, "--alter", "--add-config", "retention.ms=60000,retention.bytes=1000000"))
        described = self.tool(CONFIGS, *of_topic, "--describe")
        self.assertIn("retention.ms=60000 ", described)
        self.assertIn("retention.bytes=1000000 ", described)
        self.tool(CONFIGS, *of_topic, "--alter", "--delete-config", "retention.bytes")
        described = self.tool(CONFIGS, *of_topic, "--describe")
        self.assertIn("retention.ms=60000 ", described)
        self.assertNotIn("retention.bytes", described)
        self.assertIn("retention.bytes=-1 ", self.tool(CONFIGS, *of_topic, "--describe", "--all"))
        self.assertIn("no.such.setting", self.tool(CONFIGS, *of_topic, "--alter", "--add-config", "no.such.setting=1", expect=1))


class Quotas(ConsoleCase):
    def test_quotas_are_set_shown_kept_to_and_removed(self):
        self.topics("--create", "--topic", "rides")
        clients = ("--entity-type", "clients", "--entity-name", "importer")
        self.assertIn("Completed updating", self.tool(CONFIGS, *clients, "--alter", "--add-config", "producer_byte_rate=100000,consumer_byte_rate=200000"))
        described = self.tool(CONFIGS, "--entity-type", "clients", "--describe")
        self.assertIn("importer", described)
        self.assertIn("producer_byte_rate=100000.0", described)
        self.assertIn("consumer_byte_rate=200000.0", described)
        # Three seconds' worth: one is free.
        def send(client, count):
            return self.performance("rides", count, "--print-metrics", f"client.id={client}", "batch.size=10000", size=1000)
        throttled = float(re.search(r"produce-throttle-time-max:\{client-id=importer\}\s*:\s*([\d.]+)", send("importer", 300))[1])
        self.assertGreater(throttled, 0)
        self.assertEqual(float(re.search(r"produce-throttle-time-max:\{client-id=other\}\s*:\s*([\d.]+)", send("other", 300))[1]), 0)
        self.assertEqual(self.offsets("rides"), {0: 600})
        self.tool(CONFIGS, *clients, "--alter", "--delete-config", "producer_byte_rate,consumer_byte_rate")
        self.assertNotIn("importer", self.tool(CONFIGS, "--entity-type", "clients", "--describe"))
        self.assertIn("request_percentage", self.tool(CONFIGS, *clients, "--alter", "--add-config", "request_percentage=50", expect=1))


class Acls(ConsoleCase):
    settings = ("access.enabled=true", "access.allow_without_acl=true")

    def test_entries_are_added_listed_obeyed_and_removed(self):
        self.topics("--create", "--topic", "rides")
        entry = ("--allow-principal", "User:alice", "--allow-host", "10.0.0.7", "--producer", "--topic", "rides")
        self.tool("AclCommand", "--add", *entry)
        listed = self.tool("AclCommand", "--list", "--topic", "rides")
        for operation in ("WRITE", "DESCRIBE", "CREATE"):
            self.assertIn(f"(principal=User:alice, host=10.0.0.7, operation={operation}, permissionType=ALLOW)", listed)
        self.assertNotIn("rides", self.topics("--list"), "what the tool, which is nobody in particular, must not know of now")
        sender = subprocess.run([PEERS / "kafka", "run", TOOLS + "ConsoleProducer", "--bootstrap-server", self.bootstrap, "--topic", "rides"], input="one\n",
                                capture_output=True, text=True, timeout=3 * WAIT)
        self.assertIn("TOPIC_AUTHORIZATION_FAILED", sender.stdout + sender.stderr)
        self.tool("AclCommand", "--add", "--allow-principal", "User:ANONYMOUS", "--producer", "--topic", "ri", "--resource-pattern-type", "prefixed")
        self.produce("rides", "two\n")
        self.kill_and_restart()
        self.tool("AclCommand", "--remove", *entry, "--force")
        self.tool("AclCommand", "--remove", "--topic", "ri", "--resource-pattern-type", "prefixed", "--force")
        self.assertNotIn("principal", self.tool("AclCommand", "--list"))
        self.assertEqual(self.consume("rides", 1, "--from-beginning"), ["two"])


class Records(ConsoleCase):
    def test_what_the_console_producer_sends_the_console_consumer_shows(self):
        self.topics("--create", "--topic", "rides", "--partitions", 3)
        lines = [f"source:web,n:{i}|ride-{i % 7}|bike {i}" for i in range(50)]
        self.produce("rides", "\n".join(lines) + "\n", "--reader-property", "parse.key=true", "--reader-property", "key.separator=|",
                     "--reader-property", "parse.headers=true", "--reader-property", "headers.delimiter=|", "--compression-codec", "zstd")
        shown = self.consume("rides", 50, "--from-beginning", *(option for name in ("print.key=true", "print.headers=true", "print.partition=true", "key.separator=|")
                                                                       for option in ("--formatter-property", name)))
        self.assertEqual(sorted(line.split("|", 1)[1] for line in shown), sorted(lines))
        # The records of a key are in one partition, in their order.
        for key in range(7):
            of_key = [line.split("|") for line in shown if f"|ride-{key}|" in line]
            self.assertEqual(len({line[0] for line in of_key}), 1)
            self.assertEqual([line[3] for line in of_key], [f"bike {i}" for i in range(key, 50, 7)])
        self.assertEqual(sum(self.offsets("rides").values()), 50)

    def test_offsets_are_told_by_time_and_place(self):
        self.topics("--create", "--topic", "rides")
        self.produce("rides", "a\nb\nc\n")
        self.assertEqual(self.offsets("rides"), {0: 3})
        self.assertEqual(self.offsets("rides", "--time", "earliest"), {0: 0})
        self.assertEqual(self.offsets("rides", "--time", 0), {0: 0})
        self.assertEqual(self.consume("rides", 1, "--partition", 0, "--offset", 2), ["c"])

    def test_the_producer_of_the_performance_test_is_served(self):
        self.topics("--create", "--topic", "rides", "--partitions", 4)
        self.assertIn("20000 records sent", self.performance("rides", 20_000, "acks=all"))
        self.assertEqual(sum(self.offsets("rides").values()), 20_000)


class Groups(ConsoleCase):
    def test_groups_are_listed_described_reset_and_removed(self):
        self.topics("--create", "--topic", "rides")
        self.produce("rides", "".join(f"{i}\n" for i in range(10)))
        self.assertEqual(self.consume("rides", 4, "--group", "billing", "--from-beginning"), ["0", "1", "2", "3"])
        self.assertEqual(self.groups("--list").split(), ["billing"])
        [row] = self.rows(self.groups("--describe", "--group", "billing"))
        self.assertEqual((row["TOPIC"], row["CURRENT-OFFSET"], row["LOG-END-OFFSET"], row["LAG"]), ("rides", "4", "10", "6"))
        self.assertIn("Empty", self.groups("--describe", "--group", "billing", "--state"))
        # It goes on where it was.
        self.assertEqual(self.consume("rides", 2, "--group", "billing"), ["4", "5"])
        reset = ("--reset-offsets", "--group", "billing", "--topic", "rides")
        self.groups(*reset, "--to-earliest", "--dry-run")
        self.assertEqual(self.rows(self.groups("--describe", "--group", "billing"))[0]["CURRENT-OFFSET"], "6")
        self.groups(*reset, "--shift-by", -3, "--execute")
        self.assertEqual(self.consume("rides", 1, "--group", "billing"), ["3"])
        self.groups(*reset, "--to-earliest", "--execute")
        self.assertEqual(self.consume("rides", 10, "--group", "billing"), [str(i) for i in range(10)])
        self.groups("--delete-offsets", "--group", "billing", "--topic", "rides")
        self.groups("--delete", "--group", "billing")
        self.assertEqual(self.groups("--list").split(), [])
        self.assertIn("Group billing not found", self.groups("--describe", "--group", "billing"))  # the tool ends well all the same


class Metrics(ConsoleCase):
    def test_promtool_finds_nothing_in_the_metrics(self):
        self.topics("--create", "--topic", "rides", "--partitions", 2)
        self.produce("rides", "a\nb\n")
        port = next(l["port"] for l in self.server.ready["listeners"] if l["name"] == "http")
        for path in ("/contexts", "/no/such/path", "/metrics"):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=WAIT) as answer:
                    text = answer.read()
            except urllib.error.HTTPError:
                continue
        done = subprocess.run([PEERS / "promtool", "check", "metrics"], input=text, capture_output=True, timeout=3 * WAIT)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        self.assertIn(b"baton_http_requests_total", text)


if __name__ == "__main__":
    main()
