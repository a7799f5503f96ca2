"""The clients behind one interface, so that a test can be said once for all of them.

    client.create(topic, partitions, settings)   makes a topic through the client's admin; an Outcome
    client.produce(records, codec, ...)          an Outcome for each record, in their order
    client.consume(topic, partition, offset, n)  n Records from an offset on (assign and seek, no group)

Errors are the numbers of the protocol, whatever a client calls them.
"""
import atexit
import base64
import collections
import json
import subprocess
import sys
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import install

sys.path.insert(0, str(install.python_packages()))

warnings.filterwarnings("ignore", category=DeprecationWarning)  # kafka-python's, of the standard library
WAIT = 30  # seconds, for everything that must come; then it is a failure

NONE, OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC, MESSAGE_TOO_LARGE, INVALID_TOPIC = 0, 1, 3, 10, 17
TOPIC_EXISTS, INVALID_PARTITIONS, INVALID_CONFIG, POLICY_VIOLATION, INVALID_RECORD = 36, 37, 40, 44, 87


@dataclass(frozen=True)
class Record:
    topic: str
    key: bytes | None = None
    value: bytes | None = b""
    headers: tuple = ()
    partition: int | None = None
    timestamp: int | None = None

    def content(self):
        return self.key, self.value, tuple(self.headers)


class Consumed(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple

    def content(self):
        return self.key, self.value, self.headers


@dataclass
class Outcome:
    partition: int | None = None
    offset: int | None = None
    error: int = NONE
    text: str = ""


def encode(data):
    return None if data is None else base64.b64encode(data).decode()


def decode(text):
    return None if text is None else base64.b64decode(text)


class DriverProcess:
    """A program that answers a request a line."""

    def __init__(self, command):
        self.process = subprocess.Popen([str(c) for c in command], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def ask(self, progress=None, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError("the client's process has ended")
            reply = json.loads(line)
            if "failed" in reply:
                raise RuntimeError(reply["failed"])
            if "progress" not in reply:
                return reply
            progress(reply["progress"])

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=WAIT)
        self.process.stdout.close()


class LineClient:
    """What the clients in Java, JavaScript and Go have in common: a driver, of which one is enough for all tests of a process."""
    drivers = {}

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        if self.name not in self.drivers:
            self.drivers[self.name] = DriverProcess(self.command())
            atexit.register(self.drivers[self.name].close)
        self.driver = self.drivers[self.name]

    def ask(self, op, topic="", **more):
        return self.driver.ask(op=op, bootstrap=self.bootstrap, topic=topic, **more)

    def create(self, topic, partitions=None, settings=None):
        reply = self.ask("create", topic, partitions=partitions, settings=settings or {})
        return Outcome(error=reply["error"], text=reply.get("text", ""))

    def consume(self, topic, partition, offset, count, **config):
        reply = self.ask("consume", topic, partition=partition, offset=offset, count=count, config=config)
        return [Consumed(r["offset"], r["timestamp"], decode(r["key"]), decode(r["value"]), tuple((n, decode(v)) for n, v in r["headers"]))
                for r in reply["records"][:count]]

    def consume_in_group(self, group, topic, count):
        """(partition, offset, value) of `count` records of a member that commits them and leaves."""
        return [(r["partition"], r["offset"], decode(r["value"])) for r in self.ask("group", topic, group=group, count=count)["records"]]

    @staticmethod
    def _outcomes(reply):
        return [Outcome(r.get("partition"), r.get("offset"), r.get("error", NONE), r.get("text", "")) for r in reply["results"]]

    @staticmethod
    def _rows(records):
        return [{"topic": r.topic, "partition": r.partition, "timestamp": r.timestamp, "key": encode(r.key), "value": encode(r.value),
                 "headers": [(n, encode(v)) for n, v in r.headers]} for r in records]


class Java(LineClient):
    codecs = ("none", "gzip", "snappy", "lz4", "zstd")
    partitioner = "murmur2"
    null_headers = True

    def produce(self, records, codec="none", *, linger_ms=5, idempotent=True, in_flight=5, every=0, progress=None, **config):
        config = {"compression.type": codec, "linger.ms": linger_ms, "enable.idempotence": str(idempotent).lower(), "max.request.size": 8 << 20,
                  "max.in.flight.requests.per.connection": in_flight} | {k.replace("_", "."): v for k, v in config.items()}
        return self._outcomes(self.driver.ask(progress, op="produce", bootstrap=self.bootstrap, records=self._rows(records), config=config, every=every))


class Java39(Java):
    name = "java-3.9"

    def command(self):
        return install.java_driver("3.9")


class Java43(Java):
    name = "java-4.3"

    def command(self):
        return install.java_driver("4.3")


class KafkaJs(LineClient):
    name = "kafkajs"
    null_headers = False
    codecs = ("none", "gzip", "snappy")  # and driver.js reads the others
    partitioner = "murmur2"

    def command(self):
        return install.node_driver()

    def produce(self, records, codec="none", *, batch=1, idempotent=False, in_flight=None, **_):
        config = {"idempotent": idempotent} | ({"maxInFlightRequests": in_flight} if in_flight else {})
        return self._outcomes(self.ask("produce", records=self._rows(records), codec=codec, config=config, batch=batch))


class Go(LineClient):
    codecs = ("none", "gzip", "snappy", "lz4", "zstd")
    null_headers = True

    def command(self):
        return [install.go_driver(self.name)]

    def produce(self, records, codec="none", *, linger_ms=5, idempotent=True, in_flight=5, **_):
        config = {"linger_ms": linger_ms, "idempotent": idempotent, "max_in_flight": in_flight}
        return self._outcomes(self.ask("produce", records=self._rows(records), codec=codec, config=config))


class FranzGo(Go):
    name = "franz-go"
    partitioner = "murmur2"


class Sarama(Go):
    name = "sarama"
    partitioner = "fnv1a"


class Confluent:
    name = "confluent-kafka"
    null_headers = True
    codecs = ("none", "gzip", "snappy", "lz4", "zstd")
    partitioner = "crc32"

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def create(self, topic, partitions=None, settings=None):
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient, NewTopic
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        try:
            admin.create_topics([NewTopic(topic, num_partitions=partitions or -1, config=settings or {})])[topic].result(WAIT)
        except KafkaException as e:
            return Outcome(error=e.args[0].code(), text=e.args[0].str())
        return Outcome()

    def produce(self, records, codec="none", *, linger_ms=5, idempotent=True, in_flight=5, every=1, progress=None, **config):
        from confluent_kafka import Producer
        producer = Producer({"bootstrap.servers": self.bootstrap, "compression.type": codec, "linger.ms": linger_ms, "enable.idempotence": idempotent,
                             "max.in.flight.requests.per.connection": in_flight, "message.max.bytes": 8 << 20, "delivery.timeout.ms": 4 * WAIT * 1000,
                             "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 20} | {k.replace("_", "."): v for k, v in config.items()})
        outcomes, acknowledged = [Outcome() for _ in records], 0

        def delivered(outcome):
            def callback(error, message):
                nonlocal acknowledged
                acknowledged += 1
                if error:
                    outcome.error, outcome.text = error.code(), error.str()
                else:
                    outcome.partition, outcome.offset = message.partition(), message.offset()
                if progress and acknowledged % every == 0:
                    progress(acknowledged)
            return callback

        for record, outcome in zip(records, outcomes):
            options = {} if record.partition is None else {"partition": record.partition}
            if record.timestamp is not None:
                options["timestamp"] = record.timestamp
            while True:
                try:
                    producer.produce(record.topic, value=record.value, key=record.key, headers=list(record.headers), callback=delivered(outcome), **options)
                    break
                except BufferError:
                    producer.poll(1)
            producer.poll(0)
        if left := producer.flush(4 * WAIT):
            raise RuntimeError(f"{left} records were not delivered in time")
        return outcomes

    def consumer(self, **config):
        from confluent_kafka import Consumer
        return Consumer({"bootstrap.servers": self.bootstrap, "group.id": "none", "enable.auto.commit": False, "auto.offset.reset": "error"} | config)

    def consume_in_group(self, group, topic, count):
        from confluent_kafka import KafkaException
        consumer = self.consumer(**{"group.id": group, "auto.offset.reset": "earliest", "enable.auto.offset.store": False})
        out = []
        try:
            consumer.subscribe([topic])
            while len(out) < count:
                message = consumer.poll(WAIT)
                if message is None:
                    raise RuntimeError(f"{len(out)} of {count} records came in time")
                if message.error():
                    raise KafkaException(message.error())
                out.append((message.partition(), message.offset(), message.value()))
                consumer.commit(message, asynchronous=False)
        finally:
            consumer.close()
        return out

    def consume(self, topic, partition, offset, count):
        from confluent_kafka import KafkaException, TopicPartition
        consumer = self.consumer()
        out = []
        try:
            consumer.assign([TopicPartition(topic, partition, offset)])
            while len(out) < count:
                messages = consumer.consume(count - len(out), WAIT)
                if not messages:
                    raise RuntimeError(f"{len(out)} of {count} records came in time")
                for m in messages:
                    if m.error():
                        raise KafkaException(m.error())
                    out.append(Consumed(m.offset(), m.timestamp()[1], m.key(), m.value(), tuple(m.headers() or ())))
        finally:
            consumer.close()
        return out


class KafkaPython:
    name = "kafka-python"
    null_headers = False
    codecs = ("none", "gzip", "snappy", "lz4", "zstd")
    partitioner = "murmur2"

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def create(self, topic, partitions=None, settings=None):
        from kafka.admin import KafkaAdminClient, NewTopic
        from kafka.errors import KafkaError
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            admin.create_topics([NewTopic(topic, num_partitions=partitions or -1, replication_factor=-1, topic_configs=settings or {})])
        except KafkaError as e:
            return Outcome(error=e.errno, text=str(e))
        finally:
            admin.close()
        return Outcome()

    def produce(self, records, codec="none", *, linger_ms=5, idempotent=True, in_flight=5, **_):
        from kafka import KafkaProducer
        from kafka.errors import KafkaError
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, compression_type=None if codec == "none" else codec, linger_ms=linger_ms,
                                 enable_idempotence=idempotent, max_in_flight_requests_per_connection=in_flight, acks="all", max_request_size=8 << 20)
        try:
            sent = []
            for r in records:
                try:
                    sent.append(producer.send(r.topic, key=r.key, value=r.value, headers=list(r.headers), partition=r.partition, timestamp_ms=r.timestamp))
                except KafkaError as e:
                    sent.append(e)
            producer.flush(WAIT)
            return [self._outcome(s) for s in sent]
        finally:
            producer.close()

    @staticmethod
    def _outcome(sent):
        from kafka.errors import KafkaError
        try:
            if isinstance(sent, KafkaError):
                raise sent
            done = sent.get(WAIT)
            return Outcome(done.partition, done.offset)
        except KafkaError as e:
            # What was in a batch with a wrong record has an error without a number.
            return Outcome(error=getattr(e, "errno", -1), text=str(e))

    def consume(self, topic, partition, offset, count):
        from kafka import KafkaConsumer, TopicPartition
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, group_id=None, enable_auto_commit=False, auto_offset_reset="none", consumer_timeout_ms=WAIT * 1000)
        try:
            consumer.assign([TopicPartition(topic, partition)])
            consumer.seek(TopicPartition(topic, partition), offset)
            out = []
            for m in consumer:
                out.append(Consumed(m.offset, m.timestamp, m.key, m.value, tuple(m.headers)))
                if len(out) == count:
                    break
            return out
        finally:
            consumer.close()

    def consume_in_group(self, group, topic, count):
        from kafka import KafkaConsumer
        consumer = KafkaConsumer(topic, bootstrap_servers=self.bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
                                 max_poll_records=1, consumer_timeout_ms=WAIT * 1000)
        out = []
        try:
            for m in consumer:
                out.append((m.partition, m.offset, m.value))
                if len(out) == count:
                    break
            consumer.commit()
        finally:
            consumer.close()
        return out


class Rdkafka:
    """The program in C over Debian's librdkafka 2.0.2."""
    name = "librdkafka"
    null_headers = True
    codecs = ("none", "gzip", "snappy", "lz4", "zstd")
    partitioner = "crc32"

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.program = install.c_program()

    def run(self, *arguments, text=None, **config):
        settings = [f"{k}={v}" for k, v in ({"bootstrap.servers": self.bootstrap} | config).items()]
        return install.run(self.program, *arguments, *settings, input=text)

    def create(self, topic, partitions=None, settings=None):
        code, _, text = self.run("create", topic, partitions or -1, len(settings or {}), *(f"{k}={v}" for k, v in (settings or {}).items())).partition(" ")
        return Outcome(error=int(code), text=text.strip())

    @staticmethod
    def _hex(data):
        return "-" if data is None else data.hex() or "="

    @staticmethod
    def _bytes(text):
        return None if text == "-" else b"" if text == "=" else bytes.fromhex(text)

    def produce(self, records, codec="none", *, linger_ms=5, idempotent=True, in_flight=5, **_):
        lines = []
        for r in records:
            headers = "".join(f" {n}={self._hex(v)}" for n, v in r.headers)
            lines.append(f"{r.topic} {-1 if r.partition is None else r.partition} {r.timestamp or 0} {self._hex(r.key)} {self._hex(r.value)}{headers}\n")
        out = self.run("produce", text="".join(lines), **{"compression.type": codec, "linger.ms": linger_ms, "enable.idempotence": str(idempotent).lower(),
                                                        "max.in.flight.requests.per.connection": in_flight, "message.max.bytes": 8 << 20})
        return [Outcome(int(p), int(o), int(e)) for p, o, e in map(str.split, out.splitlines())]

    def consume(self, topic, partition, offset, count):
        out = self.run("consume", topic, partition, offset, count, **{"group.id": "none", "enable.auto.commit": "false"})
        records = []
        for offset, timestamp, key, value, *headers in map(str.split, out.splitlines()):
            pairs = tuple((n, self._bytes(v)) for n, v in (h.split("=", 1) for h in headers))
            records.append(Consumed(int(offset), int(timestamp), self._bytes(key), self._bytes(value), pairs))
        return records


class Kcat:
    """Keys, values and headers are what a command line can hold: it cannot give the offsets of what it produced, nor null headers."""
    name = "kcat"
    null_headers = False
    codecs = ("none", "gzip", "snappy", "lz4", "zstd")
    partitioner = "crc32"

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def produce(self, records, codec="none", **config):
        """Records that follow each other with the same headers go in one run. An Outcome says no more than that the run ended well."""
        runs = collections.OrderedDict()
        for r in records:
            runs.setdefault((r.topic, r.partition, r.headers, r.key is None, r.value is None), []).append(r)
        for (topic, partition, headers, no_key, no_value), group in runs.items():
            command = ["kcat", "-q", "-P", "-b", self.bootstrap, "-t", topic, "-z", codec, "-D", "\n"]
            command += [] if partition is None else ["-p", str(partition)]
            command += [] if no_key else ["-K", "\t"]
            command += ["-Z"] if no_value else []
            for setting in config.items():
                command += ["-X", "{}={}".format(*setting)]
            for name, value in headers:
                command += ["-H", f"{name}={value.decode()}"]
            lines = [(b"" if no_key else r.key + b"\t") + (r.value or b"") + b"\n" for r in group]
            install.run(*command, input=b"".join(lines).decode())
        return [Outcome() for _ in records]

    def consume(self, topic, partition, offset, count):
        command = ["kcat", "-q", "-C", "-b", self.bootstrap, "-t", topic, "-p", str(partition), "-o", str(offset), "-c", str(count),
                   "-f", "%o %T %K %S %h\n%k%s\n"]
        done = subprocess.run(command, capture_output=True, timeout=4 * WAIT, check=True)
        rest, out = done.stdout, []
        while rest:
            head, _, rest = rest.partition(b"\n")
            number, timestamp, key_size, size, headers = head.decode().split(" ", 4)
            key_size, size = int(key_size), int(size)
            n = max(key_size, 0) + max(size, 0)
            data, rest = rest[:n], rest[n + 1:]
            pairs = tuple((h.split("=", 1)[0], h.split("=", 1)[1].encode()) for h in headers.split(",") if h)
            key = None if key_size < 0 else data[:key_size]
            out.append(Consumed(int(number), int(timestamp), key, None if size < 0 else data[max(key_size, 0):], pairs))
        return out


ALL = (Confluent, KafkaPython, KafkaJs, Java39, Java43, FranzGo, Sarama, Rdkafka, Kcat)
WITH_GROUPS = (Confluent, KafkaPython, KafkaJs, Java39, Java43, FranzGo, Sarama)
WITH_ADMIN = (Confluent, KafkaPython, KafkaJs, Java39, Java43, FranzGo, Sarama, Rdkafka)
