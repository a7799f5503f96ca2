"""The row of bench/kafka.py that asks for conditional appends: Baton over HTTP beside UmaDB over gRPC, from 64 clients that each wait for their answer.

Both acknowledge what is on disk. UmaDB writes pages, syncs, writes the page that leads to them and syncs again, once for all the appends that wait; then it answers.
"""
import itertools
import json
import statistics
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from kafka_servers import ENVIRONMENT, ROOT, Baton, Measured, Scratch, free_port, measured, on_core, run, server_core, wait_port

HERE = Path(__file__).resolve().parent
sys.path.append(str(ROOT / "tests/clients"))

import install  # noqa: E402

CLIENTS = 64
BYTES = 200
# How UmaDB writes: in one thread, as it is started by default; or one prepares what io_uring writes. And how many connections the clients share.
WRITERS = {"synchronous": "false", "pipelined": "true"}
CONNECTIONS = (1, 8, 64)
TRIAL_SECONDS = 2


class UmaDB(Measured):
    """A server with one of its writers. As a context manager it ends at the end."""

    def __init__(self, directory, writer):
        self.writer = writer
        self.port = free_port()
        self.environment = ENVIRONMENT | {"PYTHONPATH": str(install.python_packages("umadb", HERE / "requirements.txt"))}
        self.log = open(directory / f"{writer}.log", "wb")
        self.process = subprocess.Popen(self.words("serve", directory / f"{writer}.db", WRITERS[writer]), env=self.environment, stdout=self.log, stderr=self.log,
                                        preexec_fn=on_core(server_core()))
        self.pid = self.process.pid
        wait_port(self.port)

    def words(self, command, *arguments):
        return [sys.executable, HERE / "umadb_peer.py", command, str(self.port), *arguments]

    def ask(self, command):
        return run(self.words(command), env=self.environment)

    def append(self, seconds, name, connections):
        return measured(self, "appends", to="umadb", port=self.port, clients=CLIENTS, connections=connections, seconds=seconds, bytes=BYTES, run=name)

    def count(self):
        return int(self.ask("count"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()


class BatonContext:
    """The context that the appends to Baton go to."""

    def __init__(self, baton):
        self.baton = baton

    def request(self, path, body=None):
        url = f"http://127.0.0.1:{self.baton.http_port}/contexts/bench{path}"
        with urllib.request.urlopen(urllib.request.Request(url, body and json.dumps(body).encode(), {"Content-Type": "application/json"})) as answer:
            return json.loads(answer.read())

    def refused(self):
        """Stores one event, and raises unless it is refused when its condition does not hold any more."""
        event = {"type": "RideEnded", "data": {}, "tags": ["bike:0", "ride:refused"]}
        body = {"streams": [{"stream": "bike-0", "events": [event]}], "unless": {"query": [{"tags": ["ride:refused"]}]}}
        self.request("/append", body)
        try:
            self.request("/append", body)
        except urllib.error.HTTPError as error:
            if error.code != 409 or json.loads(error.read())["code"] != "condition_failed":
                raise
        else:
            raise RuntimeError("Baton: an append whose condition does not hold was not refused")

    def append(self, seconds, name):
        return measured(self.baton, "appends", port=self.baton.http_port, context="bench", clients=CLIENTS, seconds=seconds, bytes=BYTES, run=name)

    def count(self):
        return self.request("")["events"]


def fastest(sides):
    """Which server, over how many connections, has the highest rate. Each is tried twice, and the second time counts: a new file grows at first."""
    rates = {}
    for n in range(2):
        for side, connections in itertools.product(sides, CONNECTIONS):
            rates[side, connections] = side.append(TRIAL_SECONDS, f"trial-{n}-{connections}", connections)["rate"]
    return max(rates, key=rates.get)


def interleaved(baton, umadb, connections, runs, seconds):
    """The runs of each side, in turn; what was acknowledged is there at the end."""
    before = {baton: baton.count(), umadb: umadb.count()}
    seen = {baton: [], umadb: []}
    for n in range(runs + 1):
        seen[baton].append(baton.append(seconds, n))
        seen[umadb].append(umadb.append(seconds, n, connections))
    for side, of in seen.items():
        acknowledged, stored = sum(run["records"] for run in of), side.count() - before[side]
        if acknowledged != stored:
            raise RuntimeError(f"{type(side).__name__}: {acknowledged} appends were acknowledged, and {stored} are there")
    return [of[1:] for of in seen.values()]


def told(runs):
    rate, p50, p99, cpu, client = (statistics.median(run[key] for run in runs) for key in ("rate", "p50_ms", "p99_ms", "cpu", "client_cpu"))
    return f"{rate:,.0f}/s (p50 {p50:.1f} ms, p99 {p99:.1f} ms, CPU a million {cpu:.0f} s, client at {client * 100:.0f}% of its core)"


def rows(report, runs, seconds):
    with Scratch("umadb") as directory, Baton(directory / "baton") as server, UmaDB(directory, "synchronous") as synchronous, UmaDB(directory, "pipelined") as pipelined:
        baton = BatonContext(server)
        baton.refused()
        for side in (synchronous, pipelined):
            side.ask("refused")
        umadb, connections = fastest((synchronous, pipelined))
        of_baton, of_umadb = interleaved(baton, umadb, connections, runs, seconds)
    ratio = statistics.median(run["rate"] for run in of_baton) / statistics.median(run["rate"] for run in of_umadb)
    report("conditional-umadb", ratio, "x", 2,
           f"an event of {BYTES} bytes unless there is one with its tag, {CLIENTS} clients: Baton (HTTP, fsync) {told(of_baton)}, "
           f"UmaDB (gRPC, {umadb.writer} writer, {connections} connection{'s' * (connections > 1)}) {told(of_umadb)}")
