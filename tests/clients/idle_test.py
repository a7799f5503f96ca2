#!/usr/bin/env python3
"""A consumer that waits for records gets them at once, and costs nothing while there are none: idle_test.py BATON."""
import threading
import time

from cases import WAIT, ClientCase, main
from clients import Confluent, Record

LOOK_SECONDS = 3


class Idle(ClientCase):
    def setUp(self):
        super().setUp()
        from confluent_kafka import TopicPartition
        self.make_topic("t", 4)
        # librdkafka asks for a partition as soon as it knows where it is, and for one that it comes to know later only when that fetch has returned: with
        # something in each there is none that it waits for before it has asked for all.
        self.producer = self.client(Confluent)
        self.assert_all(self.producer.produce([Record("t", b"k", b"first", partition=p) for p in range(4)]))
        self.consumers = []
        for _ in range(4):
            consumer = self.client(Confluent).consumer(**{"fetch.wait.max.ms": 60_000, "socket.timeout.ms": 120_000})
            self.addCleanup(consumer.close)
            consumer.assign([TopicPartition("t", p, 0) for p in range(4)])
            self.consumers.append(consumer)

    def consume_one(self, consumer):
        message = consumer.poll(WAIT)
        self.assertIsNotNone(message, "nothing came")
        self.assertIsNone(message.error())
        return message.value()

    def test_waiting_consumers_cost_no_processor_time_and_get_a_record_at_once(self):
        for consumer in self.consumers:  # then it has fetched, and waits again
            self.assertEqual([self.consume_one(consumer) for _ in range(4)], [b"first"] * 4)
        before = self.server.processor_seconds()
        self.assertIsNone(self.consumers[0].poll(LOOK_SECONDS))
        self.assertLess(self.server.processor_seconds() - before, 0.05 * LOOK_SECONDS)
        # They wait up to 60 s for a fetch: what comes must wake them.
        got = []
        threads = [threading.Thread(target=lambda c=c: got.append((self.consume_one(c), time.monotonic()))) for c in self.consumers]
        for thread in threads:
            thread.start()
        self.assert_all(self.producer.produce([Record("t", b"k", b"second", partition=2)]))
        produced = time.monotonic()
        for thread in threads:
            thread.join()
        self.assertEqual([value for value, _ in got], [b"second"] * 4)
        self.assertLess(max(at for _, at in got) - produced, 10)


if __name__ == "__main__":
    main()
