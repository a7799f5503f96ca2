"""Every setting that the two brokers show, and its default."""
import fnmatch
import time
from dataclasses import dataclass, field
from pathlib import Path

REASONS = Path(__file__).resolve().parent / "configs.txt"
DEFAULT = 5  # the source of a value that nobody has set
TOPIC, BROKER = 2, 4  # types of resources
TYPES = {1: "boolean", 2: "string", 3: "int", 4: "short", 5: "long", 6: "double", 7: "list", 8: "class", 9: "password"}


@dataclass
class Reason:
    of: str
    kind: str
    patterns: list
    text: str
    met: set = field(default_factory=set)  # names
    used: set = field(default_factory=set)  # patterns


@dataclass
class Settings:
    """Of topics or of the broker."""
    equal: list = field(default_factory=list)  # (name, type, default)
    differing: list = field(default_factory=list)  # (name, Kafka's, Baton's, why)
    reasons: list = field(default_factory=list)  # for what only one has


def read_reasons():
    out = []
    for line in REASONS.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            head, _, text = line.partition(": ")
            of, kind, *patterns = head.split()
            out.append(Reason(of, kind, patterns, text))
    return out


def described(broker, kind, name):
    asked = {"resources": [{"resourceType": kind, "resourceName": name, "configurationKeys": None}], "includeSynonyms": True}
    result = broker.body("DescribeConfigs", 4, asked)["results"][0]
    return {c["name"]: c for c in result["configs"]}


def default_of(config):
    """Kafka's own is the last of the synonyms, and may be another setting, in another unit."""
    for synonym in config["synonyms"]:
        if synonym["source"] == DEFAULT:
            same = synonym["name"].split(".")[-1] == config["name"].split(".")[-1]
            return str(synonym["value"]) if same else f"{synonym['value']} ({synonym['name']})"
    return str(config["value"]) if config["configSource"] == DEFAULT else "none"


def find(reasons, of, kind, name):
    for reason in reasons:
        if (reason.of, reason.kind) == (of, kind):
            for pattern in reason.patterns:
                if fnmatch.fnmatchcase(name, pattern):
                    reason.met.add(name)
                    reason.used.add(pattern)
                    return reason
    return None


def compare(kafka, baton, fail):
    reasons = read_reasons()
    topic = f"settings-{time.time_ns()}"
    for broker in (kafka, baton):
        broker.make(topic, 1, {})
    out = {}
    for of, kind, name in (("topic", TOPIC, topic), ("broker", BROKER, "1")):
        theirs, ours = described(kafka, kind, name), described(baton, kind, name)
        settings = out[of] = Settings()
        for name in sorted(set(theirs) | set(ours)):
            a, b = theirs.get(name), ours.get(name)
            if a is None or b is None:
                if find(reasons, of, "kafka" if b is None else "baton", name) is None:
                    fail(None, f"{of}: only {'Kafka' if b is None else 'Baton'} has {name}, and configs.txt does not say why")
                continue
            if a["configType"] != b["configType"]:
                fail(None, f"{of}: {name} is of type {a['configType']} for Kafka and {b['configType']} for Baton")
            before, now = default_of(a), default_of(b)
            if before == now:
                settings.equal.append((name, TYPES[a["configType"]], before))
                continue
            reason = find(reasons, of, "differs", name)
            if reason is None:
                fail(None, f"{of}: the default of {name} is {before} for Kafka and {now} for Baton, and configs.txt does not say why")
            else:
                settings.differing.append((name, before, now, reason.text))
        settings.reasons = [r for r in reasons if r.of == of and r.kind != "differs"]
    for reason in reasons:
        if left := set(reason.patterns) - reason.used:
            fail(None, f"configs.txt: nothing like that any more: {reason.of} {reason.kind} {' '.join(sorted(left))}")
    return out
