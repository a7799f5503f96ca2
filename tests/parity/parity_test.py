#!/usr/bin/env python3
"""Plays the sessions in sessions/ to Apache Kafka and to Baton, and compares their answers field by field.

  parity_test.py BATON                       all sessions; fails on a difference that no session expects, on an expected one that does not come,
                                             and when docs/compatibility.md is not what it would be
  parity_test.py BATON --only TEXT           the sessions whose area is TEXT, or whose name has TEXT in it
  parity_test.py BATON --write-docs          writes docs/compatibility.md
  parity_test.py BATON --kafka PORT          with a Kafka that runs already, on a fresh directory, with KAFKA_SETTINGS below

Needs what tests/clients need for Java. What cannot be installed is a failure. The language of the sessions is in script.py.
"""
import argparse
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.dont_write_bytecode = True
sys.path += [str(HERE), str(ROOT / "tests/clients"), str(ROOT / "tests/server")]

import configs  # noqa: E402
import install  # noqa: E402
import page  # noqa: E402
from compare import differences, matches  # noqa: E402
from harness import Server  # noqa: E402
from play import Broker, Play, Player, PlayError  # noqa: E402
from script import ScriptError, read_all, read_differs  # noqa: E402

PEER = ROOT / "tools/peers/kafka"
PAGE = ROOT / "docs/compatibility.md"
SESSIONS_MIN = 150
DAY_MS = 86_400_000
# One partition of the offsets, so that one group that is served says that all are. The other settings are the same for both: a session can see a member's
# timeout without waiting for six seconds, records of yesterday are not old, and what no access control entry names is everybody's.
KAFKA_SETTINGS = ("offsets.topic.num.partitions=1", "transaction.state.log.num.partitions=1", "group.min.session.timeout.ms=100", "log.retention.ms=-1",
                  "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "allow.everyone.if.no.acl.found=true")
BATON_SETTINGS = ("groups.session_timeout_min_ms=100", "access.enabled=true", "access.allow_without_acl=true")


def classes():
    """The command of Parity.java."""
    libs = install.run(PEER, "libs").strip()

    def make(directory):
        install.run("javac", "-Xlint:all,-serial,-path,-classfile,-processing", "-d", directory, "-cp", f"{libs}/*", HERE / "Parity.java")
    made = install.made_once("parity", [HERE / "Parity.java"], make, also=libs)
    return ["java", "-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{made}:{libs}/*", "Parity"]


def kafka_version():
    return re.search(r"<kafka.version>(.*)</kafka.version>", (PEER.parent / "kafka-pom.xml").read_text(encoding="utf-8"))[1]


def free_port():
    """One that is free with the next, below those that the system gives by itself. Kafka cannot choose one and say which."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="utf-8").split()[0])
    while True:
        port = random.randrange(min(20_000, low - 5_000), low - 1)
        try:
            for one in (port, port + 1):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", one))
            return port
        except OSError:
            continue


class Kafka:
    def __init__(self, directory):
        self.directory = directory
        self.port = free_port()

    def start(self):
        environment = {**os.environ, "KAFKA_PORT": str(self.port), "KAFKA_HEAP": "512m"}
        started = subprocess.run([PEER, "start", self.directory, *KAFKA_SETTINGS], env=environment, stdout=subprocess.DEVNULL, check=False)
        if started.returncode:
            raise PlayError("Kafka does not start")

    def stop(self):
        subprocess.run([PEER, "stop", self.directory], check=False)


def in_common(served, known):
    """API -> the versions that both serve and that Kafka's classes have."""
    out = {}
    theirs, ours = served
    for api, of in known.items():
        if of["key"] in theirs and of["key"] in ours:
            ranges = [theirs[of["key"]], ours[of["key"]], (of["first"], of["last"])]
            out[api] = (max(r[0] for r in ranges), min(r[1] for r in ranges))
    return out


def plays_of(sessions, both):
    number, out = 0, []
    for session in sessions:
        versions = [None]
        if session.versions:
            api, chosen = session.versions
            versions = chosen or list(range(both[api][0], both[api][1] + 1))
        for version in versions:
            number += 1
            out.append(Play(session, version, number))
    return out


def play_all(broker, plays, newest, base_time):
    for play in plays:
        try:
            broker.answers[play.number] = Player(broker, play, newest, base_time).run()
        except (PlayError, OSError) as e:  # the process that encodes requests may have ended
            broker.answers[play.number] = PlayError(str(e))


class Comparison:
    """Of all that was played."""

    def __init__(self, everywhere):
        self.everywhere = everywhere
        self.failures = []  # (play, text)
        self.expected = []  # (play, answer, path, Kafka's, Baton's, reason)
        self.fields = self.requests = 0
        self.differing = set()  # names of sessions
        self.by_api = {}  # API -> {version}

    def fail(self, play, text):
        self.failures.append((play, text))

    def session(self, play, kafka, baton):
        for answers in (kafka, baton):
            if isinstance(answers, PlayError):
                self.fail(play, str(answers))
                return
        for theirs, ours in zip(kafka, baton):
            self.requests += 1
            self.fields += max(theirs.fields, ours.fields)
            self.by_api.setdefault(theirs.api, {}).setdefault(theirs.version, []).append(play.session.name)
            for path, a, b in differences(theirs.value, ours.value):
                self.difference(play, theirs, path, a, b)

    def difference(self, play, answer, path, theirs, ours):
        common = [d for api, d in self.everywhere if api in (answer.api, "*")]
        for expected in [*answer.step.differs, *common]:
            if matches(expected, path, theirs, ours):
                expected.met = True
                self.expected.append((play, answer, path, theirs, ours, expected))
                if expected in answer.step.differs:
                    self.differing.add(play.session.name)
                return
        self.fail(play, f"line {answer.step.line}: {answer.api} {path}: Kafka {theirs!r}, Baton {ours!r}")

    def check_met(self, plays, all_played):
        for session in {p.session.name: p.session for p in plays}.values():
            for step in session.steps:
                for expected in step.differs:
                    if not expected.met:
                        self.fail(Play(session, None, 0), f"line {step.line}: does not differ any more: {expected.path}")
        if all_played:
            for api, expected in self.everywhere:
                if not expected.met:
                    self.fail(None, f"everywhere.txt: does not differ any more: {api} {expected.path}")


def read_everywhere():
    """Differences that any session may see: `API`, and what `differs` says, a line."""
    out = []
    for line in (HERE / "everywhere.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            api, _, rest = line.partition(" ")
            out.append((api, read_differs(rest, line)))
    return out


def show(failures, errors):
    """The same difference of several versions is said once."""
    seen = {}
    for play, text in failures:
        name = "" if play is None else f"{play.session.area}: {play.session.name}"
        seen.setdefault((name, text), []).append(None if play is None else play.version)
    before = None
    for (name, text), versions in seen.items():
        if name != before:
            print(f"FAILED {name}")
        before = name
        if "rrorCode" in text:
            text = re.sub(r"\b(Kafka|Baton) (-?\d+)", lambda m: f"{m[0]} {errors.get(m[2], '')}", text)
        played = [str(v) for v in versions if v is not None]
        print(f"    {text[:600]}" + (f"  (versions {' '.join(played)})" if played else ""))


def keep_page(options, result, written):
    """The page says what is equal and why the rest is not, so it is not written while a difference has no reason."""
    if result.failures:
        return
    if options.write_docs:
        PAGE.write_text(written, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != written:
        result.fail(None, "docs/compatibility.md is not up to date: tests/parity/parity_test.py BATON --write-docs makes it")


def run(options, directory):
    started = time.monotonic()
    sessions = read_all(HERE / "sessions")
    everywhere = read_everywhere()
    command = classes()
    peer = Kafka(directory / "kafka")
    servers, brokers = [], []
    try:
        if options.kafka is None:
            peer.start()
        # The second has no settings, so that it shows its defaults.
        for name, settings in (("baton", BATON_SETTINGS), ("defaults", ())):
            servers.append(Server(os.path.abspath(options.baton), directory / name, *(a for s in settings for a in ("--set", s))))
            if servers[-1].ready is None:
                raise PlayError("Baton does not start: " + "".join(servers[-1].log))
        kafka = Broker("Kafka", command, options.kafka or peer.port)
        baton = Broker("Baton", command, servers[0].port)
        plain = Broker("Baton", command, servers[1].port)
        brokers = [kafka, baton, plain]
        known = kafka.op("apis")
        served = kafka.served(), baton.served()
        both = in_common(served, known["apis"])
        newest = {api: last for api, (_, last) in both.items()}
        for broker in (kafka, baton):
            broker.warm_up()
        base_time = int(time.time() * 1000) // 1000 * 1000 - DAY_MS
        # Names must be new to a Kafka that runs already.
        offset = int(time.time()) % 1_000_000 * 1000 if options.kafka else 0
        chosen = [s for s in sessions if not options.only or options.only in s.name or options.only == s.area]
        plays = [p._replace(number=p.number + offset) for p in plays_of(chosen, both)]
        threads = [threading.Thread(target=play_all, args=(b, plays, newest, base_time)) for b in (kafka, baton)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        result = Comparison(everywhere)
        for play in plays:
            result.session(play, kafka.answers[play.number], baton.answers[play.number])
        result.check_met(plays, not options.only)
        if not options.only:
            defaults = configs.compare(kafka, plain, result.fail)
            if len(sessions) < SESSIONS_MIN:
                result.fail(None, f"{len(sessions)} sessions; {SESSIONS_MIN} are wanted")
            keep_page(options, result, page.write(sessions, plays, result, defaults, served, known, kafka_version()))
        show(result.failures, known["errors"])
        bad = len({p.session.name for p, _ in result.failures if p is not None})
        print(f"{len(chosen)} sessions, played {len(plays)} times: {result.requests} answers with {result.fields} fields compared, "
              f"{len(result.expected)} fields differ as expected; {bad} sessions failed; {time.monotonic() - started:.0f} s")
        return 1 if result.failures else 0
    finally:
        for broker in brokers:
            broker.close()
        for server in servers:
            server.kill()
        if options.kafka is None:
            peer.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("baton")
    parser.add_argument("--only", default="")
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--kafka", type=int)
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="baton-parity-"))
    try:
        return run(options, directory)
    except (PlayError, ScriptError) as e:
        print(f"FAILED {e}")
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
