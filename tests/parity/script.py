"""The language of the sessions: a file of them is a text that people read.

    == A sentence that says what is seen             begins a session
    versions Produce all                             it is played with each version that both have; or with some: versions Fetch 4 12
    at JoinGroup 5                                   the version of an API, where the newest that both have is not what is wanted
    make $topic 2 {retention.ms: 1000}               a topic with partitions and settings; what is answered is not compared
    a: Produce {acks: -1, topicData: [...]}          a request on the connection a (without a name: main), whose answer is compared
    produce $topic 0 {values: [one, two]} {acks: 1}  a Produce request of one batch (batch() in Parity.java), and its other fields
    fetch $topic 0 5 {maxBytes: 1} {partitionMaxBytes: 1}      a Fetch request from offset 5, with its and its partition's other fields
    send a: JoinGroup {...}                          a request whose answer is not waited for
    receive a:                                       the next answer on a connection
    raw a: 0012 00ff 00000001 as ApiVersions 0       the bytes of a frame, and what the answer is if there is one; `length N` lies about them
    close a:                                         closes a connection

Lines that begin with a space go on with the line above, or say more about its answer:

      > name = path.to[0].field                      a value of the answer, for later requests
      only path                                      the part of the answer that is compared, where the rest is of other sessions, too
      until path = value                             the request is repeated until it is so (changes of topics and settings are applied before the next request, others may take a moment)
      differs path 3|0: why                          an expected difference, Kafka's value and Baton's (without values: any); in the path
                                                     * is any part, ** any number of them, and a path may name a whole object that differs

A value may be a bare word. $name is a captured value; $topic... and $group... are names of this session alone. $epoch is the broker's leader epoch, and $t a
time of yesterday; $epoch+1 is what it looks like. $topic.id is the id of a topic that was made here. @100 is a text of 100 characters.
"""
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+)')
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?$")
VARIABLE = re.compile(r"\$([A-Za-z][A-Za-z0-9_]*(?:\.id)?)([+-]\d+)?$")
INSIDE = re.compile(r"\$\{([A-Za-z][A-Za-z0-9_.]*)\}")
LONG = re.compile(r"@(\d+)$")
NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"


class ScriptError(Exception):
    pass


@dataclass
class Difference:
    path: str
    values: tuple | None  # Kafka's and Baton's
    reason: str
    met: bool = False


@dataclass
class Step:
    kind: str  # request, make, send, receive, raw, close
    line: int
    connection: str = "main"
    api: str = ""
    version: int | None = None
    arguments: list = field(default_factory=list)
    captures: list = field(default_factory=list)
    until: tuple | None = None
    only: str = ""
    differs: list = field(default_factory=list)


@dataclass
class Session:
    name: str
    area: str
    line: int
    steps: list = field(default_factory=list)
    versions: tuple | None = None  # an API, and the versions to play, or None for all
    fixed: dict = field(default_factory=dict)


class Values:
    """Reads values from a text, one after the other. `lookup` knows variables."""

    def __init__(self, text, lookup):
        self.tokens = TOKEN.findall(text)
        self.lookup = lookup
        self.at = 0

    def more(self):
        return self.at < len(self.tokens)

    def next(self):
        if not self.more():
            raise ScriptError("a value ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def peek(self):
        return self.tokens[self.at] if self.more() else ""

    def expect(self, what):
        if (token := self.next()) != what:
            raise ScriptError(f"{what} is expected, not {token}")

    def value(self):
        token = self.next()
        if token == "{":
            return self.entries()
        if token == "[":
            out = []
            while self.peek() != "]":
                out.append(self.value())
                if self.peek() == ",":
                    self.next()
            self.next()
            return out
        return self.scalar(token)

    def entries(self):
        out = {}
        while self.peek() != "}":
            key = self.scalar(self.next())
            self.expect(":")
            out[str(key)] = self.value()
            if self.peek() == ",":
                self.next()
        self.next()
        return out

    def scalar(self, token):
        if token.startswith('"'):
            return INSIDE.sub(lambda m: str(self.lookup(m[1])), json.loads(token))
        if token in ("true", "false", "null") or NUMBER.match(token):
            return json.loads(token)
        if found := VARIABLE.match(token):
            value = self.lookup(found[1])
            return value + int(found[2]) if found[2] else value
        if found := LONG.match(token):
            return "x" * int(found[1])
        if token in "{}[]:,":
            raise ScriptError(f"a value is expected, not {token}")
        return token


def read_differs(text, line):
    at, colon, reason = text.partition(": ")
    path, _, values = at.strip().partition(" ")
    if not colon or not reason or (values and "|" not in values):
        raise ScriptError(f"line {line}: differs PATH [KAFKA|BATON]: REASON")
    return Difference(path, tuple(v.strip() for v in values.split("|")) if values else None, reason.strip())


def read_step(text, line):
    word, _, rest = text.partition(" ")
    connection = "main"
    if word in ("send", "receive", "raw", "close"):
        kind = word
        connection, _, rest = rest.partition(":")
        rest = rest.strip()
        if kind != "send":
            return Step(kind, line, connection, arguments=[rest])
        word, _, rest = rest.partition(" ")
    else:
        kind = "request"
        if word.endswith(":"):
            connection = word[:-1]
            word, _, rest = rest.strip().partition(" ")
    if word in ("make", "produce", "fetch"):
        kind = "make" if word == "make" else kind
        return Step(kind, line, connection, {"produce": "Produce", "fetch": "Fetch", "make": "CreateTopics"}[word], arguments=[word, rest])
    if not re.match(r"[A-Z][A-Za-z]+$", word):
        raise ScriptError(f"line {line}: {text}")
    version = None
    if found := re.match(r"v(\d+)\s*", rest):
        version, rest = int(found[1]), rest[found.end():]
    return Step(kind, line, connection, word, version, ["", rest])


def read_session_line(session, text, line):
    word, _, rest = text.partition(" ")
    if word == "versions":
        api, *numbers = rest.split()
        session.versions = (api, None if numbers == ["all"] else [int(n) for n in numbers])
    elif word == "at":
        api, number = rest.split()
        session.fixed[api] = int(number)
    else:
        session.steps.append(read_step(text, line))


def continue_step(session, text, line):
    step = session.steps[-1]
    if text.startswith(">"):
        name, _, path = text[1:].partition("=")
        step.captures.append((name.strip(), path.strip()))
    elif text.startswith("until "):
        path, _, value = text[6:].partition(" = ")
        step.until = (path.strip(), value.strip())
    elif text.startswith("only "):
        step.only = text[5:]
    elif text.startswith("differs "):
        step.differs.append(read_differs(text[8:], line))
    else:
        step.arguments[-1] += " " + text


def read_file(path):
    sessions = []
    for number, raw in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        text = raw.strip()
        if not text or text.startswith("#"):
            continue
        try:
            if raw.startswith("== "):
                sessions.append(Session(text[3:], Path(path).stem, number))
            elif raw.startswith(" "):
                continue_step(sessions[-1], text, number)
            else:
                read_session_line(sessions[-1], text, number)
        except (ScriptError, ValueError, KeyError, IndexError) as e:
            raise ScriptError(f"{path}:{number}: {e}") from e
    return sessions


def read_all(directory):
    sessions = [s for path in sorted(Path(directory).glob("*.txt")) for s in read_file(path)]
    names = [s.name for s in sessions]
    if twice := {n for n in names if names.count(n) > 1}:
        raise ScriptError(f"sessions that have one name: {twice}")
    return sessions


PART = re.compile(r"([^.\[\]]+)|\[([^\]]*)\]")


def follow(value, path):
    """The value at a.b[0].c; [name] finds the element of a list that has such a name."""
    for name, index in PART.findall(path):
        if name:
            value = value[name]
        elif index.isdigit():
            value = value[int(index)]
        else:
            value = next(e for e in value if index in (e.get("name"), e.get("topic"), e.get("groupId")))
    return value
