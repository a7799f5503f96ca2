#!/usr/bin/env python3
"""Contexts, as the clients of Kafka see them: what they produce are events of the streams that their keys name: events_test.py BATON."""
import json
import shutil

from cases import ClientCase, clients, main
from clients import Confluent, Java39, Java43, KafkaJs, Kcat, Record

TYPE = ("ce_type", b"Happened")
EXPECT = "baton-expected-version"
JAVA = (Java39, Java43)


def event(context, stream, data, *headers, partition=None):
    return Record(context, stream.encode(), json.dumps(data).encode(), (TYPE, *headers), partition=partition)


def expecting(context, stream, version, data=1):
    return event(context, stream, data, (EXPECT, str(version).encode()))


class EventCase(ClientCase):
    def make_context(self, name, partitions=1, partitioner="murmur2"):
        made = self.client(Confluent).create(name, partitions, {"baton.kind": "event", "baton.partitioner": partitioner})
        self.assertEqual(made.error, 0, made.text)

    def read(self, context, stream):
        return self.baton("read", stream, "--context", context, "-n", "100000")

    def assert_stream(self, context, stream, data):
        got = self.read(context, stream)
        self.assertEqual([(e["version"], e["data"]) for e in got], list(enumerate(data)))
        self.assertEqual({e["type"] for e in got}, {"Happened"})


class Events(EventCase):
    def test_each_client_makes_a_context(self):
        for kind in clients.WITH_ADMIN:
            with self.subTest(client=kind.name):
                name = kind.name.replace(".", "")
                made = self.client(kind).create(name, 4, {"baton.kind": "event", "baton.partitioner": kind.partitioner})
                self.assertEqual(made.error, 0, made.text)
                self.assert_all(self.client(kind).produce([event(name, "s-1", 1), event(name, "s-2", 2)]))
                self.assert_stream(name, "s-2", [2])

    def test_what_each_client_produces_are_the_next_versions_of_a_stream_with_the_same_data(self):
        self.make_context("rides")
        expected = []
        for kind in clients.ALL:
            for codec in kind.codecs:
                with self.subTest(client=kind.name, codec=codec):
                    data = [{"by": kind.name, "codec": codec, "n": i, "text": "wörter" * 10} for i in range(10)]
                    expected += data
                    self.assert_all(self.client(kind).produce([event("rides", "ride-1", d) for d in data], codec))
                    self.assert_stream("rides", "ride-1", expected)
        # And every client gets them as CloudEvents in the Kafka binding.
        for kind in clients.ALL:
            with self.subTest(consumer=kind.name):
                got = self.client(kind).consume("rides", 0, 0, len(expected))
                self.assertEqual([json.loads(r.value) for r in got], expected)
                for version, record in enumerate(got):
                    headers = dict(record.headers)
                    self.assertEqual((record.key, headers["ce_type"], headers["baton-version"]), (b"ride-1", b"rides.Happened", b"%d" % version))
                    self.assertLessEqual({"ce_id", "ce_source", "ce_specversion", "ce_time"}, set(headers))

    def test_the_default_partitioner_of_each_client_finds_the_partition_of_a_stream(self):
        for kind in clients.ALL:
            with self.subTest(client=kind.name):
                context = "keys-" + kind.name.replace(".", "")
                self.make_context(context, 4, kind.partitioner)
                records = [event(context, f"{'straße' if i % 7 == 0 else 'key'}-{i * i}", i) for i in range(200)]
                done = self.client(kind).produce(records)
                self.assert_all(done)
                if kind is not Kcat:
                    self.assertEqual({o.partition for o in done}, {0, 1, 2, 3})
                self.assertEqual(len(self.baton("streams", context, "-n", 1000)), 200)

    def test_a_partitioner_that_does_not_fit_is_refused_with_invalid_record(self):
        for kind in clients.WITH_ADMIN:
            with self.subTest(client=kind.name):
                context = "odd-" + kind.name.replace(".", "")
                self.make_context(context, 4, "crc32" if kind.partitioner == "murmur2" else "murmur2")
                done = self.client(kind).produce([event(context, f"key-{i}", i) for i in range(20)], linger_ms=0, idempotent=False, in_flight=1)
                self.assertIn(clients.INVALID_RECORD, {o.error for o in done})

    def test_a_record_without_a_type_is_refused_and_java_is_told_what_is_missing(self):
        self.make_context("rides")
        for kind in clients.WITH_ADMIN:
            with self.subTest(client=kind.name):
                done = self.client(kind).produce([Record("rides", b"s", b"{}", partition=0)])
                self.assertEqual([o.error for o in done], [clients.INVALID_RECORD])
                if kind in JAVA:
                    self.assertIn("ce_type", done[0].text)

    def test_a_structured_cloudevent_is_stored_as_a_binary_one(self):
        self.make_context("rides")
        header = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
        for n, kind in enumerate(clients.WITH_ADMIN):
            with self.subTest(client=kind.name):
                stream = f"structured-{n}"
                document = {"specversion": "1.0", "id": f"id-{n}", "source": "/clients", "type": "RideStarted", "datacontenttype": "application/json",
                            "time": "2026-01-02T03:04:05Z", "data": {"from": "client", "n": n}}
                self.assert_all(self.client(kind).produce([Record("rides", stream.encode(), json.dumps(document).encode(), header, partition=0)]))
                stored = self.read("rides", stream)[0]
                self.assertEqual((stored["id"], stored["source"], stored["type"], stored["data"], stored["version"]),
                                 (f"id-{n}", "/clients", "RideStarted", document["data"], 0))
                got = self.client(kind).consume("rides", 0, n, 1)[0]
                headers = dict(got.headers)
                self.assertEqual((headers["ce_id"], headers["ce_type"], headers["content-type"]), (b"id-%d" % n, b"rides.RideStarted", b"application/json"))
                self.assertEqual(json.loads(got.value), document["data"])

    def test_streams_read_the_same_bytes_when_all_indexes_are_gone(self):
        self.make_context("rides", 4)
        self.make_context("orders")
        node, confluent, expected = self.client(KafkaJs), self.client(Confluent), []
        for part in range(6):
            data = [{"part": part, "n": i, "text": "x" * (i % 40)} for i in range(100)]
            expected += data
            records = [event("orders", "order-1", d) for d in data]
            self.assert_all(node.produce(records, "gzip", batch=20) if part % 2 == 0 else confluent.produce(records, "lz4"))
        before = self.run_program("--data", str(self.data), "--json", "read", "order-1", "--context", "orders", "-n", "10000", expect=0).stdout
        self.assert_stream("orders", "order-1", expected)
        self.stop(self.server)
        removed = [d for d in self.data.rglob("index*") if d.is_dir()]
        self.assertTrue(removed, sorted(self.data.rglob("*")))
        for directory in removed:
            shutil.rmtree(directory, ignore_errors=True)
        self.start()
        self.assertEqual(self.run_program("--data", str(self.data), "--json", "read", "order-1", "--context", "orders", "-n", "10000", expect=0).stdout, before)
        self.assert_all(confluent.produce([expecting("orders", "order-1", len(expected) - 1, {"last": True})]))
        self.assert_stream("orders", "order-1", expected + [{"last": True}])


class ExpectedVersions(EventCase):
    def test_a_condition_that_holds_is_taken_and_one_that_does_not_is_refused(self):
        self.make_context("rides")
        for kind in clients.ALL:
            if kind is Kcat:
                continue
            with self.subTest(client=kind.name):
                client, stream = self.client(kind), "ride-" + kind.name
                one = {"linger_ms": 0}
                for version, taken in (("exists", False), (0, False), ("no-stream", True), ("no-stream", False), (0, True), (0, False), ("exists", True), (7, False), (2, True)):
                    done = client.produce([expecting("rides", stream, version)], **one)
                    self.assertEqual([o.error for o in done], [clients.NONE if taken else clients.INVALID_RECORD], (version, done))
                self.assert_stream("rides", stream, [1, 1, 1, 1])

    def test_java_is_told_what_was_expected_and_what_was_found(self):
        self.make_context("rides")
        for kind in JAVA:
            with self.subTest(client=kind.name):
                client, stream = self.client(kind), "ride-" + kind.name
                self.assert_all(client.produce([expecting("rides", stream, "no-stream"), expecting("rides", stream, 0)]))
                refused = client.produce([expecting("rides", stream, 7)])[0]
                self.assertEqual(refused.error, clients.INVALID_RECORD)
                self.assertIn("expected version 7, found version 1", refused.text)

    def test_with_five_requests_in_flight_innocent_records_can_be_sent_again(self):
        # An idempotent producer, linger 0 and one record a batch, so that a refused batch has no innocent neighbour. Batches behind it that were
        # in flight already are out of order: the client sends them again, or says that they failed. Nothing comes twice, nothing out of order.
        self.make_context("rides")
        for kind in (Confluent, Java39, Java43):
            with self.subTest(client=kind.name):
                client, bad = self.client(kind), {50, 90}
                stream = "flight-" + kind.name
                records = [expecting("rides", stream if i not in bad else stream + "-bad", 9 if i in bad else "exists", i) if i else event("rides", stream, 0) for i in range(150)]
                done = client.produce(records, linger_ms=0, in_flight=5, **({"batch_num_messages": 1} if kind is Confluent else {"batch_size": 1}))
                self.assertTrue(bad <= {i for i, o in enumerate(done) if o.error == clients.INVALID_RECORD}, [(i, o.error, o.text) for i, o in enumerate(done) if o.error])
                taken = [i for i, o in enumerate(done) if o.error == clients.NONE]
                self.assertEqual(taken, sorted(taken, key=lambda i: done[i].offset))
                lost = sorted(set(range(150)) - set(taken) - bad)
                # The application's own retry of what was not to blame.
                self.assert_all(client.produce([records[i] for i in lost], linger_ms=0))
                stored = [e["data"] for e in self.read("rides", stream)]
                self.assertEqual(stored, taken + lost)


if __name__ == "__main__":
    main()
