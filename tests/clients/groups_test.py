#!/usr/bin/env python3
"""Consumer groups of each client: groups_test.py BATON."""
import subprocess
import threading

from cases import WAIT, ClientCase, clients, main
from clients import Confluent, Record

PARTITIONS = 4


class GroupCase(ClientCase):
    def setUp(self):
        super().setUp()
        self.make_topic("t", PARTITIONS)
        self.number = 0

    def produce(self, count):
        """Their values, which all differ."""
        records = [Record("t", b"k", b"%d" % (self.number + i), partition=(self.number + i) % PARTITIONS) for i in range(count)]
        self.number += count
        self.assert_all(self.client(Confluent).produce(records))
        return [r.value for r in records]

    def member(self, group="g", **config):
        """A confluent-kafka member; .assigned is what it has, .rebalances how often it was given something."""
        member = Member(self.client(Confluent), group, config)
        self.addCleanup(member.close)
        return member

    def poll_until(self, members, holds):
        """Serves the members until it holds; WAIT polls of a second at most."""
        for _ in range(WAIT * 10):
            if holds():
                return
            for member in members:
                member.poll()
        self.fail(f"it never held: {[(m.assigned, m.values) for m in members]}")


class Member:
    def __init__(self, client, group, config):
        self.assigned, self.rebalances, self.values = set(), 0, []
        self.consumer = client.consumer(**{"group.id": group, "auto.offset.reset": "earliest", "session.timeout.ms": 6000, "heartbeat.interval.ms": 500} | config)
        self.consumer.subscribe(["t"], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke)

    def _assign(self, _, partitions):
        self.rebalances += 1
        self.assigned |= {p.partition for p in partitions}

    def _revoke(self, _, partitions):
        self.assigned -= {p.partition for p in partitions}

    def poll(self):
        message = self.consumer.poll(0.1)
        if message is not None and not message.error():
            self.values.append(message.value())

    def close(self):
        if self.consumer:
            self.consumer.close()
            self.consumer = None


class EachClient(GroupCase):
    def test_a_member_goes_on_where_its_group_has_committed_also_after_a_kill_of_the_server(self):
        values = self.produce(40)
        for kind in clients.WITH_GROUPS:
            with self.subTest(client=kind.name):
                client, group = self.client(kind), f"g-{kind.name}"
                first = client.consume_in_group(group, "t", 15)
                self.kill_and_restart()
                rest = client.consume_in_group(group, "t", 25)
                self.assertEqual(sorted(v for _, _, v in first + rest), sorted(values))
                for partition in range(PARTITIONS):
                    self.assertEqual([o for p, o, _ in first + rest if p == partition], list(range(10)))

    def test_one_client_goes_on_where_another_has_committed(self):
        values, got = self.produce(10 * len(clients.WITH_GROUPS)), []
        for kind in clients.WITH_GROUPS:
            got += self.client(kind).consume_in_group("shared", "t", 10)
        self.assertEqual(sorted(v for _, _, v in got), sorted(values))


class Rebalances(GroupCase):
    def check_shared(self, *members):
        self.poll_until(members, lambda: all(m.assigned for m in members) and sum(len(m.assigned) for m in members) == PARTITIONS)
        self.assertEqual(set().union(*(m.assigned for m in members)), set(range(PARTITIONS)))

    def check_strategy(self, **config):
        one = self.member(**config)
        self.check_shared(one)
        two = self.member(**config)
        self.check_shared(one, two)
        values = self.produce(20)
        self.poll_until((one, two), lambda: len(one.values) + len(two.values) >= 20)
        self.assertEqual(sorted(one.values + two.values), sorted(values))
        two.close()
        self.poll_until((one,), lambda: one.assigned == set(range(PARTITIONS)))

    def test_members_share_the_partitions_eagerly(self):
        self.check_strategy(**{"partition.assignment.strategy": "range"})

    def test_members_share_the_partitions_cooperatively(self):
        self.check_strategy(**{"partition.assignment.strategy": "cooperative-sticky"})

    # F42
    def test_the_partitions_of_a_member_that_is_killed_go_to_the_others_and_nothing_is_missed(self):
        values = self.produce(20)
        other = subprocess.Popen(["kcat", "-q", "-u", "-b", self.bootstrap, "-X", "session.timeout.ms=6000", "-X", "auto.offset.reset=earliest",
                                  "-X", "enable.auto.commit=false", "-X", "partition.assignment.strategy=range", "-G", "g", "t"],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(other.stdout.close)
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        seen = [other.stdout.readline().strip()]  # it is a member, and has partitions
        one = self.member(**{"partition.assignment.strategy": "range"})
        self.poll_until((one,), lambda: len(one.assigned) == PARTITIONS // 2)
        other.kill()
        seen += other.stdout.read().split()
        values += self.produce(20)
        self.poll_until((one,), lambda: one.assigned == set(range(PARTITIONS)) and len(set(one.values + seen)) == len(values))
        self.assertEqual(sorted(set(one.values + seen)), sorted(values))

    def test_a_restart_of_the_server_forces_no_rebalance(self):
        one, two = self.member(), self.member()
        self.check_shared(one, two)
        before = one.rebalances, two.rebalances, one.assigned | two.assigned
        self.kill_and_restart()
        values = self.produce(20)
        self.poll_until((one, two), lambda: len(one.values) + len(two.values) >= 20)
        self.assertEqual(sorted(one.values + two.values), sorted(values))
        self.assertEqual((one.rebalances, two.rebalances, one.assigned | two.assigned), before)

    def test_a_static_member_that_comes_back_takes_its_place_without_a_rebalance(self):
        static = {"group.instance.id": "one", "session.timeout.ms": 30_000}
        one, two = self.member(**static), self.member(**{"group.instance.id": "two"})
        self.check_shared(one, two)
        had, before = one.assigned.copy(), two.rebalances
        one.close()
        again = self.member(**static)
        self.poll_until((again, two), lambda: again.assigned)
        self.assertEqual((again.assigned, two.rebalances), (had, before))


class Administration(GroupCase):
    def admin(self):
        from confluent_kafka.admin import AdminClient
        return AdminClient({"bootstrap.servers": self.bootstrap})

    def test_groups_are_listed_described_reset_and_deleted(self):
        from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
        values, admin = self.produce(40), self.admin()
        member = self.member()
        self.poll_until((member,), lambda: len(member.values) == 40)
        member.consumer.commit(asynchronous=False)
        self.assertEqual([g.group_id for g in admin.list_consumer_groups().result(WAIT).valid], ["g"])
        described = admin.describe_consumer_groups(["g"])["g"].result(WAIT)
        self.assertEqual((described.state, len(described.members)), (ConsumerGroupState.STABLE, 1))
        with self.assertRaises(KafkaException):
            admin.delete_consumer_groups(["g"])["g"].result(WAIT)  # it is in use
        member.close()
        offsets = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions("g")])["g"].result(WAIT)
        self.assertEqual({p.partition: p.offset for p in offsets.topic_partitions}, {p: 10 for p in range(PARTITIONS)})
        reset = [TopicPartition("t", p, 5) for p in range(PARTITIONS)]
        admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions("g", reset)])["g"].result(WAIT)
        got = self.client(Confluent).consume_in_group("g", "t", 20)
        self.assertEqual(sorted(v for _, _, v in got), sorted(values[20:]))
        admin.delete_consumer_groups(["g"])["g"].result(WAIT)
        self.assertEqual(admin.list_consumer_groups().result(WAIT).valid, [])

    def test_offsets_keep_their_metadata(self):
        from confluent_kafka import TopicPartition
        self.produce(4)
        consumer = self.client(Confluent).consumer(**{"group.id": "m"})
        self.addCleanup(consumer.close)
        consumer.commit(offsets=[TopicPartition("t", 0, 1, "what was done")], asynchronous=False)
        self.kill_and_restart()
        found = consumer.committed([TopicPartition("t", 0), TopicPartition("t", 1)], WAIT)
        self.assertEqual([(p.offset, p.metadata) for p in found], [(1, "what was done"), (-1001, None)])

    def test_many_members_come_and_go_and_no_partition_has_two_owners(self):
        values, got, lock = self.produce(80), [], threading.Lock()

        def consume(kind):
            records = self.client(kind).consume_in_group("many", "t", 10)
            with lock:
                got.extend(records)

        threads = [threading.Thread(target=consume, args=(Confluent,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Each has committed what it got before it left; at least once.
        rest = self.client(Confluent).consume_in_group("many", "t", 80 - len({(p, o) for p, o, _ in got}))
        self.assertEqual(sorted({v for _, _, v in got + rest}), sorted(values))


if __name__ == "__main__":
    main()
