#!/usr/bin/env python3
"""Settings of topics and of the broker, described and changed through the admin of confluent-kafka: configs_test.py BATON."""
from cases import WAIT, ClientCase, clients, main
from clients import Confluent, Record


class Configs(ClientCase):
    def setUp(self):
        super().setUp()
        from confluent_kafka.admin import AdminClient
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap})
        self.make_topic("t", retention_ms="1234567")

    def describe(self, resource):
        return self.admin.describe_configs([resource])[resource].result(WAIT)

    def topic(self, name="t"):
        from confluent_kafka.admin import ConfigResource
        return ConfigResource(ConfigResource.Type.TOPIC, name)

    def change(self, name, value, operation="SET"):
        from confluent_kafka.admin import AlterConfigOpType, ConfigEntry
        resource = self.topic()
        resource.add_incremental_config(ConfigEntry(name, value, incremental_operation=AlterConfigOpType[operation]))
        self.admin.incremental_alter_configs([resource])[resource].result(WAIT)

    def test_a_topic_has_what_was_set_and_the_defaults_of_the_rest(self):
        found = self.describe(self.topic())
        self.assertEqual((found["retention.ms"].value, found["retention.ms"].is_default), ("1234567", False))
        self.assertEqual((found["max.message.bytes"].value, found["max.message.bytes"].is_default), ("1048588", True))
        self.assertEqual(found["cleanup.policy"].value, "delete")

    def test_a_changed_setting_is_in_force_and_stays(self):
        client, large = self.client(Confluent), Record("t", b"k", b"x" * 3000, partition=0)
        self.assert_all(client.produce([large]))
        self.change("max.message.bytes", "2000")
        self.assertEqual([o.error for o in client.produce([large])], [clients.MESSAGE_TOO_LARGE])
        self.kill_and_restart()
        self.assertEqual(self.describe(self.topic())["max.message.bytes"].value, "2000")
        self.change("max.message.bytes", None, "DELETE")
        self.assert_all(client.produce([large]))

    def test_what_cannot_be_is_refused(self):
        from confluent_kafka import KafkaException
        for name, value in (("retention.ms", "soon"), ("no.such.setting", "1"), ("baton.kind", "event")):
            with self.subTest(setting=name):
                with self.assertRaises(KafkaException) as refused:
                    self.change(name, value)
                self.assertEqual(refused.exception.args[0].code(), clients.INVALID_CONFIG)
        with self.assertRaises(KafkaException) as refused:
            self.describe(self.topic("absent"))
        self.assertEqual(refused.exception.args[0].code(), clients.UNKNOWN_TOPIC)

    def test_the_broker_describes_itself(self):
        from confluent_kafka.admin import ConfigResource
        found = self.describe(ConfigResource(ConfigResource.Type.BROKER, str(next(iter(self.admin.list_topics(timeout=WAIT).brokers)))))
        self.assertEqual(found["num.partitions"].value, "1")
        self.assertEqual(found["auto.create.topics.enable"].value, "true")


if __name__ == "__main__":
    main()
