#!/usr/bin/env python3
"""Producers whose server is killed in the middle of their load, again and again: crash_test.py BATON.

What was acknowledged is there: of idempotent producers exactly once and in order, of plain ones at least once.
"""
import signal
import threading
import time

from cases import WAIT, ClientCase, main
from clients import Confluent, Java39, Java43, KafkaPython, Record

PARTITIONS = 4
KEYS = 40


def load_of(topic, count):
    """The records of a key stay in their order if those of a partition do: a key has one partition."""
    return [Record(topic, b"key-%d" % (i % KEYS), b"%d" % i + b" " * 200, partition=i % KEYS % PARTITIONS) for i in range(count)]


class Killer:
    """Kills the server, and starts it again, each time that so many records more are acknowledged."""

    def __init__(self, case, at):
        self.case, self.at, self.kills = case, list(at), 0

    def __call__(self, acknowledged):
        if self.at and acknowledged >= self.at[0]:
            self.at.pop(0)
            self.case.kill_and_restart()
            self.kills += 1


class LoadCase(ClientCase):
    def stored(self, topic, partition, reader=Confluent):
        """All of a partition; also what nobody was told of."""
        from confluent_kafka import TopicPartition
        consumer = self.client(Confluent).consumer()
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), WAIT)
        finally:
            consumer.close()
        self.assertEqual(low, 0)
        return self.client(reader).consume(topic, partition, 0, high)

    def check_exactly_once(self, topic, records, outcomes):
        self.assert_all(outcomes)
        for partition in range(PARTITIONS):
            sent = [(o.offset, r.content()) for r, o in zip(records, outcomes) if r.partition == partition]
            self.assert_same([(r.offset, r.content()) for r in self.stored(topic, partition)], sent)

    def run_killed(self, kind, count, kills, **config):
        self.make_topic("load", PARTITIONS)
        records = load_of("load", count)
        killer = Killer(self, [count * (i + 1) // (kills + 2) for i in range(kills)])
        outcomes = self.client(kind).produce(records, progress=killer, every=50, **config)
        self.assertEqual(killer.kills, kills)
        return records, outcomes

    def check_idempotent(self, kind):
        records, outcomes = self.run_killed(kind, 20_000, 5, linger_ms=1, batch_size=4096)
        self.check_exactly_once("load", records, outcomes)
        self.server.signal(signal.SIGKILL)
        self.server.end()
        self.check_sound()


class Kills(LoadCase):
    def test_F32_confluent_kafka_idempotent_is_exactly_once_and_in_order_over_kills(self):
        self.check_idempotent(Confluent)

    def test_F32_java_3_9_idempotent_is_exactly_once_and_in_order_over_kills(self):
        self.check_idempotent(Java39)

    def test_F32_java_4_3_idempotent_is_exactly_once_and_in_order_over_kills(self):
        self.check_idempotent(Java43)

    def test_F1_a_plain_producer_loses_nothing_that_was_acknowledged_over_kills(self):
        records, outcomes = self.run_killed(Confluent, 10_000, 4, idempotent=False, linger_ms=1, batch_size=4096)
        self.assert_all(outcomes)
        for partition in range(PARTITIONS):
            stored = self.stored("load", partition)
            at = {r.offset: r.content() for r in stored}
            for record, outcome in zip(records, outcomes):
                if record.partition == partition:
                    self.assertEqual(at.get(outcome.offset), record.content())

    def test_F32_kafka_python_idempotent_is_exactly_once_over_a_restart_between_its_batches(self):
        self.make_topic("load", PARTITIONS)
        records = load_of("load", 2000)
        outcomes = self.client(KafkaPython).produce(records[:1000])
        self.kill_and_restart()
        outcomes += self.client(KafkaPython).produce(records[1000:])
        self.check_exactly_once("load", records, outcomes)


class Stop(LoadCase):
    def load_until_stopped(self, stop):
        """Four producers that go on until the server is gone; what was acknowledged, by partition."""
        self.make_topic("load", PARTITIONS)
        acknowledged, under_load = [[] for _ in range(PARTITIONS)], threading.Semaphore(0)

        def produce(partition):
            from confluent_kafka import Producer
            producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 1, "enable.idempotence": True, "message.timeout.ms": 3000,
                                 "reconnect.backoff.max.ms": 100, "log_level": 0})
            failed = False

            def delivered(error, message):
                nonlocal failed
                failed = failed or error is not None
                if error is None:
                    acknowledged[partition].append((message.offset(), message.value()))
                    if len(acknowledged[partition]) == 1000:
                        under_load.release()

            number = 0
            while not failed:
                try:
                    producer.produce("load", b"%d" % number, b"k", partition, callback=delivered)
                    number += 1
                    producer.poll(0)
                except BufferError:
                    producer.poll(0.1)
            producer.purge()
            producer.flush(WAIT)

        threads = [threading.Thread(target=produce, args=(p,)) for p in range(PARTITIONS)]
        for thread in threads:
            thread.start()
        for _ in threads:
            self.assertTrue(under_load.acquire(timeout=WAIT * 2))
        self.server.signal(stop)
        code, log = self.server.end()
        for thread in threads:
            thread.join()
        return acknowledged, code, log

    def check_kept(self, acknowledged):
        self.check_sound()
        started = time.monotonic()
        self.start()
        self.assertLess(time.monotonic() - started, 10)
        for partition in range(PARTITIONS):
            stored = self.stored("load", partition)
            at = {r.offset: r.value for r in stored}
            self.assert_same([(o, at.get(o)) for o, _ in acknowledged[partition]], acknowledged[partition])
            self.assert_same([r.value for r in stored], [b"%d" % i for i in range(len(stored))])

    def test_a_stop_under_load_ends_well_and_leaves_a_store_that_was_closed(self):
        acknowledged, code, log = self.load_until_stopped(signal.SIGTERM)
        self.assertEqual(code, 0, log)
        self.check_kept(acknowledged)
        self.assertNotIn("recover", "".join(self.server.log))

    def test_F1_a_kill_under_load_leaves_a_sound_store_with_all_that_was_acknowledged(self):
        acknowledged, code, _ = self.load_until_stopped(signal.SIGKILL)
        self.assertEqual(code, -signal.SIGKILL)
        self.check_kept(acknowledged)


if __name__ == "__main__":
    main()
