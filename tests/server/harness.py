"""What the tests of `baton serve` share: the process, and clients of the test protocol (echo_server.cc)."""
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

WAIT = 30  # seconds, for everything that must come; then it is a failure


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT)

    def send(self, text):
        self.socket.sendall(struct.pack(">i", len(text)) + text.encode())

    def receive(self):
        """The next reply; None at the end of the connection."""
        try:
            head = self._read(4)
            return None if head is None else self._read(struct.unpack(">i", head)[0]).decode()
        except ConnectionResetError:
            return None

    def ask(self, text):
        try:
            self.send(text)
        except (BrokenPipeError, ConnectionResetError):
            return None
        return self.receive()

    def close(self):
        self.socket.close()

    def _read(self, n):
        out = b""
        while len(out) < n:
            more = self.socket.recv(n - len(out))
            if not more:
                return None
            out += more
        return out


class Server:
    """One process. `prepare` runs in it before the program."""

    def __init__(self, program, data, *arguments, port=0, prepare=None, wrapper=(), environment=None):
        self.process = subprocess.Popen([*wrapper, program, "--data", str(data), "--json", "serve", "--kafka-port", str(port), "--http-port", "0", *arguments], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=prepare, env=environment)
        self.log = []
        self.clients = []
        self.reader = threading.Thread(target=self._read_log)
        self.reader.start()
        line = self.process.stdout.readline()
        self.ready = json.loads(line) if line else None

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line)

    @property
    def port(self):
        return self.ready["listeners"][0]["port"]

    def client(self):
        self.clients.append(Client(self.port))
        return self.clients[-1]

    def wait_handled(self, n):
        """Until so many requests have come to their handlers."""
        client = self.client()
        while int(client.ask("h")) < n:
            pass
        client.close()

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        """Waits for the end: exit code and log."""
        code = self.process.wait(timeout=WAIT)
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return code, "".join(self.log)

    def kill(self):
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.process.kill()
        if not self.process.stdout.closed:
            self.end()

    def processor_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, name="RssAnon"):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no " + name)

    def limit_files(self, n):
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (n, resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE)[1]))

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class ServeCase(unittest.TestCase):
    program = ""

    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="baton-serve-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.data = self.directory / "data"

    def serve(self, *arguments, **options):
        server = Server(self.program, self.data, *arguments, **options)
        self.addCleanup(server.kill)
        self.assertIsNotNone(server.ready, server.log)
        return server

    def run_program(self, *arguments, expect, environment=None):
        """For what ends by itself."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("BATON_")} | (environment or {})
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=WAIT, check=False, env=clean, cwd=self.directory)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done

    def stop(self, server, expect=0):
        server.signal(signal.SIGTERM)
        code, log = server.end()
        self.assertEqual(code, expect, log)
        return log
