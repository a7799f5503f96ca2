"""What is compared of two answers: everything but what two brokers cannot have in common, which is made equal by the rules below."""
import json
import re
import time

# Elements of a list are found by the first of these that they have: their order is nobody's promise, and clients do not look at it.
KEYS = ("name", "topic", "topicName", "topicId", "groupId", "memberId", "resourceName", "partitionIndex", "index", "partition", "partitionId", "apiKey", "nodeId",
        "brokerId", "key", "logDir", "entityType", "producerId")
ORDERED = ("records", "synonyms", "protocols", "recordErrors", "headers", "nodeEndpoints")

# Field -> what it becomes, and why the two cannot be equal.
NORMALISED = {
    "clusterId": ("<cluster>", "a cluster has its own"),
    "port": ("<port>", "two brokers of one machine"),
    "logDir": ("<directory>", "two brokers of one machine"),
    "totalBytes": ("<bytes>", "the disk is shared with others"),
    "usableBytes": ("<bytes>", "the disk is shared with others"),
    "partitionSize": ("<bytes>", "the size of a log is a matter of its format"),
}
# A text for people: that there is one is compared, its words are not.
TEXTS = ("errorMessage", "batchIndexErrorMessage", "documentation")
# Counted from the epoch of the broker: Kafka's begins with 0 for a topic, Baton's counts the starts of the store.
EPOCHS = ("leaderEpoch", "committedLeaderEpoch", "currentLeaderEpoch", "epoch")
# Made by a broker; what was captured has its name, others look like this.
MADE_ID = re.compile(r"[A-Za-z0-9_-]{22}$")
MEMBER = re.compile(r"(.*)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
NEAR_MS = 600_000  # a time that is so near is one that the broker has made


class Normaliser:
    """Of one broker in one session."""

    def __init__(self, epoch, base_time):
        self.epoch = epoch
        self.base_time = base_time
        self.names = {}  # captured value -> its name
        self.generated = {}  # name of this session -> what the script calls it

    def value(self, value, field=""):
        if isinstance(value, dict):
            return {k: self.value(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return self.elements(value, field)
        if field in NORMALISED:
            return NORMALISED[field][0]
        if field in TEXTS and value:
            return "<text>"
        if isinstance(value, str):
            return self.text(value, field)
        if isinstance(value, int) and not isinstance(value, bool):
            return self.number(value, field)
        return value

    def elements(self, values, field):
        out = [self.value(v, field) for v in values]
        if field in ORDERED or not out:
            return out
        if not all(isinstance(v, dict) for v in out):
            return sorted(out, key=str) if all(isinstance(v, (int, str)) for v in out) else out
        keyed = {}
        for one in out:
            key = next((str(one[k]) for k in KEYS if one.get(k) not in (None, "", NO_ID)), "") or entity_of(one)
            at, n = key, 1
            while at in keyed:
                n += 1
                at = f"{key}#{n}"
            keyed[at] = one
        return Keyed(sorted(keyed.items()))

    def text(self, value, field):
        if value in self.names:
            return f"<{self.names[value]}>"
        for generated, name in self.generated.items():
            value = value.replace(generated, "$" + name)
        if field in ("topicId",) and value != NO_ID and MADE_ID.match(value):
            return "<id>"
        if found := MEMBER.match(value):
            return f"<{found[1]}-uuid>"
        return value

    def number(self, value, field):
        if field == "producerId" and value in self.names:
            return f"<{self.names[value]}>"
        if field == "sessionId" and value:
            return "<session>"
        if field in EPOCHS and value >= 0:
            return f"epoch{value - self.epoch:+d}"
        if abs(value - self.base_time) < NEAR_MS * 6:
            return f"$t{value - self.base_time:+d}"
        if abs(value - time.time() * 1000) < NEAR_MS:
            return "<now>"
        return value


def entity_of(entry):
    """Whose a quota is."""
    parts = entry.get("entity")
    return " ".join(f"{kind}={part.get('entityName')}" for kind, part in parts.items()) if isinstance(parts, Keyed) else ""


class Keyed(dict):
    """A list whose elements have names."""


ABSENT = "(absent)"


def differences(kafka, baton, path=""):
    """(path, Kafka's, Baton's) of each field that differs."""
    if isinstance(kafka, dict) and isinstance(baton, dict):
        keyed = isinstance(kafka, Keyed) or isinstance(baton, Keyed)
        for key in [*kafka, *(k for k in baton if k not in kafka)]:
            at = f"{path}[{key}]" if keyed else f"{path}.{key}" if path else key
            yield from differences(kafka.get(key, ABSENT), baton.get(key, ABSENT), at)
    elif isinstance(kafka, list) and isinstance(baton, list):
        for i in range(max(len(kafka), len(baton))):
            yield from differences(kafka[i] if i < len(kafka) else ABSENT, baton[i] if i < len(baton) else ABSENT, f"{path}[{i}]")
    elif kafka != baton or type(kafka) is not type(baton):
        yield path, kafka, baton


def count_fields(value):
    if isinstance(value, dict):
        return sum(map(count_fields, value.values()))
    if isinstance(value, list):
        return sum(map(count_fields, value))
    return 1


def word(value):
    """As a script writes it."""
    return value if isinstance(value, str) and value else json.dumps(value)


def matches(expected, path, kafka, baton):
    """Whether a difference is the expected one. What is below an expected path is expected, too, when no values are named."""
    expression = re.escape(expected.path).replace(r"\*\*", ".*").replace(r"\*", r"[^\[\]]*?")
    if expected.values is None:
        return re.fullmatch(expression + r"([.\[].*)?", path) is not None
    return re.fullmatch(expression, path) is not None and expected.values == (word(kafka), word(baton))
