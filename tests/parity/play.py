"""Plays sessions against a broker, and keeps what it answers."""
import json
import re
import subprocess
import time
from collections import namedtuple

from compare import Normaliser, count_fields
from script import INSIDE, NO_ID, ScriptError, Values, follow

# What a broker loads or makes when it is first asked for it.
WARM_UP = (("FindCoordinator", 4, {"keyType": 0, "coordinatorKeys": ["warm-up"]}),
           ("InitProducerId", 4, {"transactionalId": None, "transactionTimeoutMs": 1000}),
           ("FindCoordinator", 4, {"keyType": 1, "coordinatorKeys": ["warm-up"]}),
           ("InitProducerId", 4, {"transactionalId": "warm-up", "transactionTimeoutMs": 1000}),
           ("ListGroups", 4, {}),
           ("OffsetFetch", 8, {"groups": [{"groupId": "warm-up", "topics": None}]}),
           ("Heartbeat", 4, {"groupId": "warm-up", "generationId": 1, "memberId": "none"}))
# Kafka answers these when its controller has decided, a moment before the broker that answers the next request has heard of it.
CHANGES = ("CreateTopics", "DeleteTopics", "CreatePartitions", "AlterConfigs", "IncrementalAlterConfigs", "AlterClientQuotas", "CreateAcls", "DeleteAcls")
LOADING = {14, 15, 16}  # COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR
WAIT_S = 20  # for everything that must come; then it is a failure

Play = namedtuple("Play", "session version number")  # a session with one of its versions
Answer = namedtuple("Answer", "step api version value fields")


class PlayError(Exception):
    pass


class Broker:
    """A broker, and the process that speaks to it with Kafka's classes."""

    def __init__(self, name, command, port):
        self.name = name
        self.process = subprocess.Popen([*command, str(port)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.epoch = 0
        self.answers = {}
        self.marked = ""  # a topic whose setting says how far the broker has heard of changes
        self.marks = 0

    def op(self, op, **more):
        self.process.stdin.write(json.dumps({"op": op, **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise PlayError("the process that encodes requests has ended")
        answer = json.loads(line)
        if "failed" in answer:
            raise PlayError(answer["failed"])
        return answer

    def ask(self, api, version, body, connection="main"):
        self.op("send", connection=connection, api=api, version=version, body=body)
        return self.op("receive", connection=connection)

    def body(self, api, version, body):
        answer = self.ask(api, version, body, "runner")
        if "body" not in answer:
            raise PlayError(f"{api} v{version} was answered with {answer}")
        return answer["body"]

    def served(self):
        """API -> first and last version."""
        reply = self.body("ApiVersions", 4, {"clientSoftwareName": "parity", "clientSoftwareVersion": "1"})
        return {k["apiKey"]: (k["minVersion"], k["maxVersion"]) for k in reply["apiKeys"]}

    def make(self, name, partitions, settings):
        """A topic, and waits until the broker serves it. Returns its id."""
        topic = {"name": name, "numPartitions": partitions, "replicationFactor": 1, "configs": [{"name": k, "value": str(v)} for k, v in settings.items()]}
        made = self.body("CreateTopics", 7, {"topics": [topic], "timeoutMs": WAIT_S * 1000})["topics"][0]
        if made["errorCode"]:
            raise PlayError(f"{name} cannot be made: {made}")
        # Kafka says that it leads a partition a moment before it does.
        wanted = {"replicaId": -1, "topics": [{"name": name, "partitions": [{"partitionIndex": i, "timestamp": -1} for i in range(partitions)]}]}
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if set(_errors(self.body("ListOffsets", 7, wanted))) <= {0} and set(_errors(self.body("Metadata", 12, {"topics": [{"name": name}]}))) <= {0}:
                return made["topicId"]
        raise PlayError(f"{name} is not served")

    def warm_up(self):
        """A broker that has just started loads its groups when the first is asked for, and gives the epoch of leaders that it has."""
        topic = self.marked = f"warm-up-{time.time_ns()}"
        self.make(topic, 1, {})
        self.epoch = self.body("Metadata", 12, {"topics": [{"name": topic}]})["topics"][0]["partitions"][0]["leaderEpoch"]
        deadline = time.monotonic() + WAIT_S
        for api, version, body in WARM_UP:
            while set(_errors(self.body(api, version, body))) & LOADING:
                if time.monotonic() > deadline:
                    raise PlayError(f"{api} is not served")

    def settle(self):
        """Waits until the broker has applied what its controller has decided so far. Changes are applied in their order, several of them at once: when the
        second of two changes that are made now, one after the other, is seen, then all that was before the first has been applied as a whole."""
        for _ in range(2):
            self.marks += 1
            value = str(1_000_000_000 + self.marks)
            resource = {"resourceType": 2, "resourceName": self.marked}
            change = {**resource, "configs": [{"name": "retention.ms", "configOperation": 0, "value": value}]}
            made = self.body("IncrementalAlterConfigs", 1, {"resources": [change]})
            if set(_errors(made)) != {0}:
                raise PlayError(f"a mark cannot be set: {made}")
            deadline = time.monotonic() + WAIT_S
            while self.body("DescribeConfigs", 4, {"resources": [{**resource, "configurationKeys": ["retention.ms"]}]})["results"][0]["configs"][0]["value"] != value:
                if time.monotonic() > deadline:
                    raise PlayError("a change is not applied")

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=WAIT_S)


def _errors(value):
    if isinstance(value, dict):
        for k, v in value.items():
            yield from [v] if k == "errorCode" else _errors(v)
    elif isinstance(value, list):
        for one in value:
            yield from _errors(one)


class Player:
    """Plays one session against one broker."""

    def __init__(self, broker, play, newest, base_time):
        self.broker = broker
        self.play = play
        self.newest = newest
        self.variables = {"t": base_time, "epoch": broker.epoch, "none": NO_ID}
        self.normal = Normaliser(broker.epoch, base_time)
        self.waiting = {}  # connection -> steps whose answers have not been read

    def run(self):
        answers = []
        try:
            for step in self.play.session.steps:
                try:
                    value = getattr(self, step.kind)(step)
                except (PlayError, ScriptError, LookupError, ValueError, StopIteration, TypeError) as e:
                    raise PlayError(f"{self.play.session.area}.txt:{step.line}: with {self.broker.name}: {type(e).__name__} {e}") from e
                if value is not None:
                    answers.append(value)
        finally:
            for name in ("main", "runner"):
                self.waiting.pop(name, None)
            self.broker.op("close")
        return answers

    # What a session may say.

    def make(self, step):
        values = self.values(step.arguments[1])
        name, partitions = values.value(), values.value()
        made = self.broker.make(name, partitions, values.value() if values.more() else {})
        call = step.arguments[1].split()[0][1:]
        self.variables[f"{call}.id"] = made
        self.normal.names[made] = f"id of {call}"

    def request(self, step):
        deadline = time.monotonic() + WAIT_S
        while True:
            api, version, body = self.prepare(step)
            self.broker.op("send", connection=step.connection, api=api, version=version, body=body)
            if api == "Produce" and body.get("acks") == 0:
                return None
            raw = self.broker.op("receive", connection=step.connection)
            if step.until is None:
                break
            path, wanted = step.until
            try:
                now = follow(raw["body"], path)
            except (KeyError, IndexError, StopIteration):
                now = None
            if now == self.values(wanted).value() or time.monotonic() > deadline:
                break
        if api in CHANGES:
            self.broker.settle()
        return self.answered(step, api, version, raw)

    def send(self, step):
        api, version, body = self.prepare(step)
        self.broker.op("send", connection=step.connection, api=api, version=version, body=body)
        self.waiting.setdefault(step.connection, []).append((api, version))

    def receive(self, step):
        waiting = self.waiting.get(step.connection)
        api, version = waiting.pop(0) if waiting else ("", 0)
        return self.answered(step, api, version, self.broker.op("receive", connection=step.connection))

    def raw(self, step):
        found = re.fullmatch(r"([0-9a-f ]*?) ?(?:as (\w+) (\d+))? ?(?:length (-?\d+))?", step.arguments[0])
        if not found:
            raise ScriptError(f"raw {step.arguments[0]}")
        more = {"api": found[2], "version": int(found[3])} if found[2] else {}
        self.broker.op("raw", connection=step.connection, hex=found[1].replace(" ", ""), length=int(found[4]) if found[4] else None, **more)
        self.waiting.setdefault(step.connection, []).append((found[2] or "a frame", int(found[3] or 0)))

    def close(self, step):
        self.broker.op("close", connection=step.connection)

    # How.

    def lookup(self, name):
        if name in self.variables:
            return self.variables[name]
        if re.match(r"(topic|group)\w*$", name):
            made = f"{name}-{self.play.number}"
            self.normal.generated[made] = name
            self.variables[name] = made
            return made
        raise ScriptError(f"${name} is not known")

    def values(self, text):
        return Values(text, self.lookup)

    def version(self, step):
        if step.version is not None:
            return step.version
        if self.play.session.versions and self.play.session.versions[0] == step.api:
            return self.play.version
        return self.play.session.fixed.get(step.api, self.newest[step.api])

    def prepare(self, step):
        values = self.values(step.arguments[1])
        macro = {"produce": self.produce_body, "fetch": self.fetch_body}.get(step.arguments[0])
        body = macro(values) if macro else values.value() if values.more() else {}
        if values.more():
            raise ScriptError(f"{values.peek()} behind the request")
        return step.api, self.version(step), body

    def produce_body(self, values):
        topic, partition, batch = values.value(), values.value(), values.value()
        batch.setdefault("timestamp", self.variables["t"])
        records = {"batches": [batch]}
        data = {"name": topic, "topicId": self.id_of(topic), "partitionData": [{"index": partition, "records": records}]}
        return {"acks": -1, "timeoutMs": 5000, "topicData": [data], **(values.value() if values.more() else {})}

    def fetch_body(self, values):
        topic, partition, offset = values.value(), values.value(), values.value()
        more = values.value() if values.more() else {}
        of_partition = values.value() if values.more() else {}
        wanted = {"partition": partition, "fetchOffset": offset, "partitionMaxBytes": 1 << 20, "currentLeaderEpoch": -1, **of_partition}
        return {"maxWaitMs": 100, "minBytes": 0, "maxBytes": 1 << 20, "sessionEpoch": -1,
                "topics": [{"topic": topic, "topicId": self.id_of(topic), "partitions": [wanted]}], **more}

    def id_of(self, topic):
        call = next((c for made, c in self.normal.generated.items() if made == topic), topic)
        return self.variables.get(f"{call}.id", NO_ID)

    def answered(self, step, api, version, raw):
        for name, path in step.captures:
            self.variables[name] = follow(raw["body"], path)
            self.normal.names[self.variables[name]] = name
        body = raw["body"] if set(raw) == {"body"} else raw
        if step.only:
            path = INSIDE.sub(lambda m: self.lookup(m[1]), step.only)
            body = {step.only: follow(body, path)}
        value = self.normal.value(body)
        return Answer(step, api, version, value, count_fields(value))
