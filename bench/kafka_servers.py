"""What bench/kafka.py starts and measures: Baton, Apache Kafka, bench/sink, nginx, and the load beside them.

A server runs on server_core(), where the disk's interrupts arrive, and what drives it on client_core(). Each listens on loopback, on a port that is free, and is stopped by its process id.
"""
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/release"
PROGRAM = BUILD / "baton"
LOAD = BUILD / "bench/kafka_load"
SINK = BUILD / "bench/sink"
KAFKA = ROOT / "tools/peers/kafka"
# The settings of a run are not settings of the server.
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("BATON_")}
# The load keeps what it allocates for records and requests: with glibc's defaults, a fourth of librdkafka's time goes into taking memory and giving it back.
LOAD_ENVIRONMENT = ENVIRONMENT | {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=65535:glibc.malloc.mmap_threshold=67108864:glibc.malloc.trim_threshold=1073741824"}
WAIT = 30


def setting(name, otherwise):
    return int(os.environ.get("BATON_BENCH_" + name) or otherwise)


class Scratch:
    """A fresh directory under BATON_BENCH_DIR, which is gone after the block."""

    def __init__(self, name):
        self.path = Path(os.environ.get("BATON_BENCH_DIR", "bench-data")).resolve() / name

    def __enter__(self):
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def on_core(core):
    return lambda: os.sched_setaffinity(0, {core})


def interrupts():
    """Of devices, by core, since the machine started. Nothing where the machine does not tell."""
    try:
        names, *lines = Path("/proc/interrupts").read_text().splitlines()
    except OSError:
        return {}
    cores = [int(name.removeprefix("CPU")) for name in names.split()]
    out = dict.fromkeys(cores, 0)
    for words in map(str.split, lines):
        if words[0].rstrip(":").isdigit():
            for core, count in zip(cores, words[1:]):
                out[core] += int(count)
    return out


@functools.cache
def server_core():
    """Where the interrupts of the disk arrive whatever core writes (a virtual disk with one queue), or else the first core: what a server's writes cost is not the client's to pay."""
    directory = Path(os.environ.get("BATON_BENCH_DIR", "bench-data")).resolve()
    made = not directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    before_cores = os.sched_getaffinity(0)
    first = min(before_cores)
    os.sched_setaffinity(0, {first})
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            before = interrupts()
            for _ in range(200):
                os.pwrite(file.fileno(), os.urandom(4096), 0)
                os.fdatasync(file.fileno())
            seen = {core: count - before[core] for core, count in interrupts().items() if core in before_cores}
    finally:
        os.sched_setaffinity(0, before_cores)
        if made:
            directory.rmdir()
    most = max(seen, key=seen.get, default=first)
    return most if seen and seen[most] > 2 * seen[first] and seen[most] >= 200 else first


@functools.cache
def client_core():
    return min(os.sched_getaffinity(0) - {server_core()}, default=server_core())


def free_port(neighbour=False):
    """A port that nobody listens on; with `neighbour`, the next one is free too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                if neighbour:
                    second.bind(("127.0.0.1", port + 1))
                return port
            except (OSError, OverflowError):
                continue


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def stop_pid(pid, wait=60):
    """A clean stop, which is waited for."""
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + wait
    while alive(pid):
        if time.monotonic() > end:
            raise RuntimeError(f"process {pid} does not end")
        time.sleep(0.005)


class Measured:
    """Processor and memory of a process, from /proc."""
    pid = 0

    def cpu(self):
        """User and system seconds of all threads, also of those that have ended."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, name="VmRSS"):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        return 0


class Server(Measured):
    """With a port of Kafka's protocol. As a context manager it stops at the end."""
    name = ""
    port = 0

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    def create(self, topic, partitions=1, **config):
        """A topic; `flush_messages=1` is the setting flush.messages."""
        words = [PROGRAM, "topics", "create", topic, "--bootstrap", self.bootstrap, "--partitions", str(partitions)]
        for key, value in config.items():
            words += ["--config", f"{key.replace('_', '.')}={value}"]
        run(words)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Baton(Server):
    name = "Baton"

    def __init__(self, data, *arguments):
        self.data = data
        self.arguments = arguments
        self.process = subprocess.Popen([PROGRAM, "--data", data, "--json", "serve", "--kafka-port", "0", "--http-port", "0", *arguments], text=True, env=ENVIRONMENT,
                                        stdout=subprocess.PIPE, stderr=open(data.parent / (data.name + ".log"), "a"), preexec_fn=on_core(server_core()))
        self.pid = self.process.pid
        ready = json.loads(self.process.stdout.readline() or "null")
        if ready is None:
            raise RuntimeError(f"baton does not start: {data}.log")
        self.port, self.http_port = (listener["port"] for listener in ready["listeners"])

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=60)
        self.process.stdout.close()


class Kafka(Server):
    name = "Kafka"

    def __init__(self, directory):
        self.directory = directory
        self.port = free_port(neighbour=True)
        self.environment = ENVIRONMENT | {"KAFKA_PORT": str(self.port), "KAFKA_HEAP": "1g", "KAFKA_CPUS": str(server_core())}
        # It creates topics with one copy and, as shipped, syncs nothing itself. The script's few threads suit the one core.
        run([KAFKA, "start", directory], env=self.environment)
        self.pid = self.read_pid()

    def read_pid(self):
        return int((self.directory / "node1.pid").read_text())

    def stop(self):
        run([KAFKA, "stop", self.directory], env=self.environment)


class Sink(Measured):
    """`options`: --sync, --again."""

    def __init__(self, directory, *options):
        self.process = subprocess.Popen([SINK, *options, directory / "".join(("sink", *options))], text=True, stdout=subprocess.PIPE, preexec_fn=on_core(server_core()))
        self.pid = self.process.pid
        self.port = int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


class Nginx(Measured):
    """Serves one file, with what its manual advises for many small ones: sendfile, and descriptors that stay open."""

    def __init__(self, directory, body):
        self.port = free_port()
        (directory / "file").write_bytes(body)
        (directory / "nginx.conf").write_text(f"""
            worker_processes 1; daemon off; master_process off; pid {directory}/pid; error_log {directory}/error.log;
            events {{ worker_connections 1024; }}
            http {{
              access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000; open_file_cache max=100;
              client_body_temp_path {directory}/1; proxy_temp_path {directory}/2; fastcgi_temp_path {directory}/3; uwsgi_temp_path {directory}/4; scgi_temp_path {directory}/5;
              server {{ listen 127.0.0.1:{self.port}; root {directory}; }}
            }}""")
        self.process = subprocess.Popen(["nginx", "-p", directory, "-c", directory / "nginx.conf"], stderr=subprocess.DEVNULL, preexec_fn=on_core(server_core()))
        self.pid = self.process.pid
        wait_port(self.port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def wait_port(port):
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise RuntimeError(f"nobody listens on port {port}")


def run(words, env=None):
    """On the client's core; its output. What a started server inherits, it sets itself (KAFKA_CPUS)."""
    done = subprocess.run(list(map(str, words)), text=True, capture_output=True, env=env or ENVIRONMENT, preexec_fn=on_core(client_core()), check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def load(mode, *command, **arguments):
    """One run of bench/kafka_load: what it prints."""
    words = [LOAD, mode, *(f"{k}={v}" for k, v in arguments.items())]
    return json.loads(run(words + (["--", *command] if command else []), ENVIRONMENT if command else LOAD_ENVIRONMENT))


class MemorySampler:
    """The most that a server held while the block ran."""

    def __init__(self, server):
        self.server = server
        self.most = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._sample)

    def _sample(self):
        while not self.ended.wait(0.1):
            self.most = max(self.most, self.server.memory())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.most = max(self.most, self.server.memory())
        self.ended.set()
        self.thread.join()


def busy_seconds():
    """Of all cores together, since the machine started."""
    user, nice, system, _, _, irq, soft = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def settle(server, wait=180):
    """Until it does nothing any more: Kafka works for a minute on a topic of 1,000 partitions that it has just made."""
    end = time.monotonic() + wait
    while time.monotonic() < end:
        before = server.cpu()
        time.sleep(1)
        if server.cpu() - before < 0.2:
            return


class Others:
    """Cores that neither server nor load have used: what else ran on the machine, with the kernel's own threads."""
    seen = []


def measured(server, mode, **arguments):
    """A run of the load with what it cost the server: `cpu` in seconds a million records, `rss` and `anon` in bytes at most."""
    os.sync()  # what another run left behind is not written during this one
    begin, busy, before = time.monotonic(), busy_seconds(), server.cpu()
    children = os.times()
    with MemorySampler(server) as memory:
        out = load(mode, **arguments)
        time.sleep(0.3)  # what the records still cost after their answers
    used = server.cpu() - before
    now = os.times()
    client = now.children_user + now.children_system - children.children_user - children.children_system
    out["others"] = (busy_seconds() - busy - used - client) / (time.monotonic() - begin)
    Others.seen.append(out["others"])
    out["cpu"] = used / (out["records"] + arguments.get("warmup", 0)) * 1e6
    out["rss"] = memory.most
    out["anon"] = server.memory("RssAnon")
    if os.environ.get("BATON_BENCH_VERBOSE"):
        print(type(server).__name__, mode, {k: round(v, 3) for k, v in out.items()}, file=sys.stderr, flush=True)
    return out
