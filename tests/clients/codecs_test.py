#!/usr/bin/env python3
"""What one client produces, with each codec that it has, all others consume, byte for byte: codecs_test.py BATON."""
import dataclasses

from cases import ClientCase, clients, main
from clients import KafkaJs, Kcat, Record

TEXT = "".join(chr(0x20 + (i * 7) % 90) for i in range(3000)).replace("\t", " ")


def records_of(topic, codec, null_headers=True):
    """Keys, values and headers, null and empty ones among them, of all sizes; what a codec can do something with, and what it cannot."""
    noise = bytes((i * i * 31 + i // 7) % 251 for i in range(5000))
    rows = [Record(topic, b"key", b"value"), Record(topic, None, b"no key"), Record(topic, b"", b"empty key"), Record(topic, b"tombstone", None),
            Record(topic, b"empty value", b""), Record(topic, b"\x00\xff\n\t", b"\x00\x01\xfe\xff\n"), Record(topic, b"noise", noise),
            Record(topic, "schlüssel".encode(), ("wörter " * 2000).encode()),
            Record(topic, b"h", b"headers", (("one", b"1"), ("empty", b""), ("bytes", b"\x00\xff"), *[("null", None)] * null_headers)),
            Record(topic, b"h", b"one name twice", (("a", b"1"), ("a", b"2")))]
    return [dataclasses.replace(r, partition=0, timestamp=1_700_000_000_000 + i) for i, r in enumerate(rows)] + \
        [Record(topic, f"{codec}-{i}".encode(), TEXT[i:i + 200].encode(), partition=0, timestamp=1_700_000_001_000 + i) for i in range(200)]


def texts_of(topic, codec):
    """What kcat can say."""
    return [Record(topic, f"{codec}-{i}".encode(), TEXT[i:i + 200].encode(), (("from", b"kcat"), ("codec", codec.encode())), partition=0) for i in range(100)] + \
        [Record(topic, b"tombstone", None, partition=0), Record(topic, None, b"no key", partition=0)]


def as_kcat_shows(record):
    """It prints a null header as NULL, and ends an output of headers at a zero byte."""
    key, value, headers = record.content()
    return key, value, tuple((n, b"NULL" if v is None else v.split(b"\x00")[0]) for n, v in headers)


class Codecs(ClientCase):
    def produced_by(self, kind):
        """Topic -> what its partition 0 holds from offset 0 on."""
        producer, topics = self.client(kind), {}
        for codec in kind.codecs:
            topic = f"{kind.name}-{codec}"
            records = texts_of(topic, codec) if kind is Kcat else records_of(topic, codec, kind.null_headers)
            self.make_topic(topic)
            outcomes = producer.produce(records, codec)
            self.assert_all(outcomes)
            if kind is not Kcat:
                self.assert_same([o.offset for o in outcomes], list(range(len(records))))
            topics[topic] = records
        return topics

    def check_consumed_by_all(self, kind):
        topics = self.produced_by(kind)
        for other in clients.ALL:
            consumer = self.client(other)
            for topic, records in topics.items():
                with self.subTest(producer=kind.name, consumer=other.name, topic=topic):
                    got = consumer.consume(topic, 0, 0, len(records))
                    self.assert_same([r.offset for r in got], list(range(len(records))))
                    if kind is not Kcat:
                        self.assert_same([r.timestamp for r in got], [r.timestamp for r in records])
                    show = as_kcat_shows if other is Kcat else Record.content
                    self.assert_same([r.content() for r in got], [show(r) for r in records])
                    # From an offset inside of a batch.
                    middle = len(records) // 2 + 3
                    got = consumer.consume(topic, 0, middle, 5)
                    self.assert_same([r.offset for r in got], list(range(middle, middle + 5)))
                    self.assert_same([r.content() for r in got], [show(r) for r in records[middle:middle + 5]])

    def test_what_confluent_kafka_produces_all_consume(self):
        self.check_consumed_by_all(clients.Confluent)

    def test_what_kafka_python_produces_all_consume(self):
        self.check_consumed_by_all(clients.KafkaPython)

    def test_what_kafkajs_produces_all_consume(self):
        self.check_consumed_by_all(clients.KafkaJs)

    def test_what_java_3_9_produces_all_consume(self):
        self.check_consumed_by_all(clients.Java39)

    def test_what_java_4_3_produces_all_consume(self):
        self.check_consumed_by_all(clients.Java43)

    def test_what_librdkafka_2_0_produces_all_consume(self):
        self.check_consumed_by_all(clients.Rdkafka)

    def test_what_kcat_produces_all_consume(self):
        self.check_consumed_by_all(Kcat)


class Sizes(ClientCase):
    """A topic takes batches of max.message.bytes, as Kafka does; what is larger is refused, and the client says so."""
    LIMIT = 1_048_588

    def test_records_up_to_the_limit_are_taken_and_larger_ones_refused_with_message_too_large(self):
        for kind in (c for c in clients.ALL if c is not Kcat):
            with self.subTest(client=kind.name):
                client, topic = self.client(kind), f"large-{kind.name}"
                self.make_topic(topic)
                fits = Record(topic, b"k", b"f" * (self.LIMIT - 200), partition=0)
                self.assert_all(client.produce([fits]))
                refused = client.produce([Record(topic, b"k", b"x" * (self.LIMIT + 1), partition=0)])
                self.assertEqual([o.error for o in refused], [clients.MESSAGE_TOO_LARGE])
                after = Record(topic, b"k", b"after", partition=0)
                self.assert_all(client.produce([after]))
                got = client.consume(topic, 0, 0, 2)
                self.assertEqual([(r.offset, r.value) for r in got], [(0, fits.value), (1, after.value)])

    def test_a_topic_may_have_a_limit_of_its_own(self):
        self.make_topic("small", max_message_bytes="2000")
        self.make_topic("big", max_message_bytes=str(4 << 20))
        for kind in (c for c in clients.ALL if c is not Kcat):
            with self.subTest(client=kind.name):
                client = self.client(kind)
                self.assertEqual([o.error for o in client.produce([Record("small", b"k", b"x" * 2000, partition=0)])], [clients.MESSAGE_TOO_LARGE])
                done = client.produce([Record("big", b"k", b"y" * (3 << 20), partition=0)])
                self.assert_all(done)
                self.assertEqual(len(client.consume("big", 0, done[0].offset, 1)[0].value), 3 << 20)

    def test_a_batch_is_judged_by_its_compressed_size(self):
        self.make_topic("packed", max_message_bytes="20000")
        for kind in (c for c in clients.ALL if c is not Kcat):
            with self.subTest(client=kind.name):
                client = self.client(kind)
                value = b"the same again " * 10_000
                done = client.produce([Record("packed", b"k", value, partition=0)], "gzip")
                self.assert_all(done)
                self.assertEqual(client.consume("packed", 0, done[0].offset, 1)[0].value, value)


class Batches(ClientCase):
    def test_thousands_of_records_keep_their_order_in_each_partition(self):
        for kind in clients.ALL:
            with self.subTest(client=kind.name):
                client, topic = self.client(kind), f"many-{kind.name}"
                self.make_topic(topic, 3)
                records = [Record(topic, f"k{i % 50}".encode(), f"{i} {TEXT[:100]}".encode(), partition=i % 3) for i in range(3000)]
                self.assert_all(client.produce(records, "gzip", **({"batch": 300} if kind is KafkaJs else {})))
                for partition in range(3):
                    sent = [r.content() for r in records if r.partition == partition]
                    self.assert_same([r.content() for r in client.consume(topic, partition, 0, len(sent))], sent)


if __name__ == "__main__":
    main()
