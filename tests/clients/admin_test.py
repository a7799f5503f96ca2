#!/usr/bin/env python3
"""Topics through each client's admin, and what Java's admin says of offsets, deletes and mistakes: admin_test.py BATON."""
from cases import ClientCase, clients, main
from clients import Confluent, Java39, Java43, Record

EARLIEST, LATEST, MAX_TIMESTAMP = -2, -1, -3
ALL_RECORDS = -1  # to DeleteRecords: up to the high watermark


class Topics(ClientCase):
    settings = ("topics.default_partitions=2",)

    def partitions(self, topic):
        return self.client(Java43).ask("partitions", topic)["count"]

    def test_each_client_makes_topics_and_hears_what_is_wrong(self):
        for kind in clients.WITH_ADMIN:
            with self.subTest(client=kind.name):
                admin, name = self.client(kind), f"made-{kind.name}"
                self.assertEqual(admin.create(name, 3, {"retention.ms": "1000000"}).error, 0)
                self.assertEqual(self.partitions(name), 3)
                self.assertEqual(admin.create(name, 3).error, clients.TOPIC_EXISTS)
                self.assertEqual(admin.create("not a name", 1).error, clients.INVALID_TOPIC)
                self.assertEqual(admin.create(f"x-{kind.name}", 1, {"retention.ms": "soon"}).error, clients.INVALID_CONFIG)
                self.assertEqual(admin.create(f"y-{kind.name}", 1, {"no.such.setting": "1"}).error, clients.INVALID_CONFIG)
                # Nobody said how many.
                self.assertEqual(admin.create(f"default-{kind.name}").error, 0)
                self.assertEqual(self.partitions(f"default-{kind.name}"), 2)

    def test_a_topic_that_is_not_there_is_made_when_a_client_produces(self):
        for kind in clients.ALL:
            with self.subTest(client=kind.name):
                client, name = self.client(kind), f"auto-{kind.name}"
                record = Record(name, b"k", b"v", partition=1)
                self.assert_all(client.produce([record]))
                self.assertEqual(self.partitions(name), 2)
                self.assertEqual([r.content() for r in client.consume(name, 1, 0, 1)], [record.content()])

    def test_topics_and_their_records_are_there_after_a_kill(self):
        client = self.client(Confluent)
        records = [Record("kept", b"k", b"%d" % i, partition=0) for i in range(100)]
        self.assert_all(client.produce(records))
        self.assertEqual(client.create("kept-2", 5).error, 0)
        self.kill_and_restart()
        self.assertEqual((self.partitions("kept"), self.partitions("kept-2")), (2, 5))
        for kind in clients.ALL:
            with self.subTest(client=kind.name):
                self.assert_same([r.content() for r in self.client(kind).consume("kept", 0, 0, 100)], [r.content() for r in records])


class NoAutoCreation(ClientCase):
    settings = ("topics.auto_create=false",)

    def test_a_topic_that_is_not_there_is_an_error_when_it_is_not_to_be_made(self):
        done = self.client(Confluent).produce([Record("absent", b"k", b"v")], topic_metadata_propagation_max_ms=1000)
        self.assertIn(done[0].error, (clients.UNKNOWN_TOPIC, -188))  # librdkafka's own code for the same
        self.assertEqual(self.client(Java43).ask("partitions", "absent")["error"], clients.UNKNOWN_TOPIC)


class Offsets(ClientCase):
    """ListOffsets."""
    FIRST_MS = 1_700_000_000_000

    def setUp(self):
        super().setUp()
        self.make_topic("times", 2)
        # One batch, and more batches behind it; a second apart; the largest time is not the last.
        producer = self.client(Confluent)
        self.times = [self.FIRST_MS + 1000 * i for i in range(20)]
        self.times[10], self.times[19] = self.times[19], self.times[10]
        for part in (self.times[:8], self.times[8:15], self.times[15:]):
            self.assert_all(producer.produce([Record("times", b"k", b"v", partition=0, timestamp=t) for t in part]))

    def expected(self, time):
        return next(((i, t) for i, t in enumerate(self.times) if t >= time), (-1, -1))

    def test_java_finds_offsets_by_time(self):
        for kind in (Java39, Java43):
            client = self.client(kind)

            def found(time, partition=0):
                reply = client.ask("list_offsets", "times", partition=partition, time=time)
                self.assertEqual(reply["error"], 0, reply)
                return reply["offset"], reply["timestamp"]

            for time in (0, self.FIRST_MS, self.FIRST_MS + 1, self.times[7], self.times[8], self.times[8] - 1, self.times[9] + 1, self.times[10], self.times[10] + 1):
                with self.subTest(client=kind.name, time=time):
                    self.assertEqual(found(time), self.expected(time))
            self.assertEqual((found(EARLIEST)[0], found(LATEST)[0]), (0, 20))
            self.assertEqual(found(MAX_TIMESTAMP), (10, self.times[10]))
            self.assertEqual((found(EARLIEST, 1)[0], found(LATEST, 1)[0], found(self.FIRST_MS, 1)[0]), (0, 0, -1))

    def test_confluent_kafka_finds_offsets_by_time(self):
        from confluent_kafka import TopicPartition
        consumer = self.client(Confluent).consumer()
        self.addCleanup(consumer.close)
        for time in (0, self.FIRST_MS, self.times[8] - 1, self.times[10], self.times[10] + 1):
            with self.subTest(time=time):
                found = consumer.offsets_for_times([TopicPartition("times", 0, time)], 30)[0].offset
                self.assertEqual(found, self.expected(time)[0])  # -1: the end
        self.assertEqual(consumer.get_watermark_offsets(TopicPartition("times", 0), 30), (0, 20))


class Deletes(ClientCase):
    def test_deleted_records_are_gone_and_offsets_go_on(self):
        for kind in (Java39, Java43):
            with self.subTest(client=kind.name):
                client, topic = self.client(kind), f"cut-{kind.name}"
                self.make_topic(topic, 2)
                self.assert_all(client.produce([Record(topic, b"k", b"%d" % i, partition=0) for i in range(50)]))

                def delete(offset):
                    return client.ask("delete_records", topic, partition=0, offset=offset)

                done = delete(20)
                self.assertEqual((done["error"], done.get("offset")), (0, 20), done)
                self.assertEqual(delete(10)["offset"], 20)
                self.assertEqual(client.ask("list_offsets", topic, partition=0, time=EARLIEST)["offset"], 20)
                self.assertEqual([r.offset for r in client.consume(topic, 0, 20, 30)], list(range(20, 50)))
                self.assertEqual(delete(51)["error"], clients.OFFSET_OUT_OF_RANGE)
                self.assertEqual(delete(ALL_RECORDS)["offset"], 50)
                self.assertEqual([o.offset for o in client.produce([Record(topic, b"k", b"next", partition=0)])], [50])
                self.kill_and_restart()
                self.assertEqual(client.ask("list_offsets", topic, partition=0, time=EARLIEST)["offset"], 50)

    def test_a_deleted_topic_is_gone_and_its_name_is_free(self):
        for kind in (Java39, Java43):
            with self.subTest(client=kind.name):
                client, topic = self.client(kind), f"gone-{kind.name}"
                self.make_topic(topic, 2)
                self.assert_all(client.produce([Record(topic, b"k", b"old", partition=0)]))
                self.assertEqual(client.ask("delete", topic)["error"], 0)
                self.assertEqual(client.ask("delete", topic)["error"], clients.UNKNOWN_TOPIC)
                self.assertEqual(client.ask("partitions", topic)["error"], clients.UNKNOWN_TOPIC)
                self.assertEqual(client.create(topic, 1).error, 0)
                self.assertEqual([o.offset for o in client.produce([Record(topic, b"k", b"new", partition=0)])], [0])
                self.assertEqual([r.value for r in client.consume(topic, 0, 0, 1)], [b"new"])

    def test_wrong_topics_are_refused_with_the_reason(self):
        for kind in (Java39, Java43):
            client = self.client(kind)
            for name, partitions, settings, error, text in (
                    ("two words", 1, {}, clients.INVALID_TOPIC, "two words"), ("none", 0, {}, clients.INVALID_PARTITIONS, ""),
                    ("many", 10_000_000, {}, clients.POLICY_VIOLATION, "100000 partitions"), ("odd", 1, {"cleanup.policy": "burn"}, clients.INVALID_CONFIG, "cleanup.policy"),
                    ("Upper", 1, {"baton.kind": "event"}, clients.INVALID_TOPIC, "")):
                with self.subTest(client=kind.name, topic=name):
                    made = client.create(name, partitions, settings)
                    self.assertEqual(made.error, error, made.text)
                    self.assertIn(text, made.text)

    def test_the_history_of_a_context_is_not_deleted_by_a_client(self):
        for kind in (Java39, Java43):
            with self.subTest(client=kind.name):
                client, topic = self.client(kind), kind.name.replace(".", "")
                self.assertEqual(client.create(topic, 1, {"baton.kind": "event"}).error, 0)
                self.assert_all(client.produce([Record(topic, b"s-1", b"{}", (("ce_type", b"Happened"),))]))
                self.assertEqual(client.ask("delete", topic)["error"], clients.POLICY_VIOLATION)
                self.assertEqual(client.ask("delete_records", topic, partition=0, offset=1)["error"], clients.POLICY_VIOLATION)
                self.assertEqual(len(client.consume(topic, 0, 0, 1)), 1)


if __name__ == "__main__":
    main()
