"""What the tests of the HTTP API share: a server, and a client for it."""
import http.client
import json
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "server"))
import harness  # noqa: E402
from harness import WAIT  # noqa: E402

CLOUD_EVENT = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:400]}"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("baton", timeout=WAIT)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WAIT)
        self.sock.connect(str(self.path))


class Api:
    """One connection, kept between requests."""

    def __init__(self, port=None, path=None):
        self.connection = UnixConnection(path) if path else http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)

    def ask(self, method, target, body=None, **headers):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        self.connection.request(method, target, body, {k.replace("_", "-"): v for k, v in headers.items()})
        return Answer(self.connection.getresponse())

    def get(self, target, **headers):
        return self.ask("GET", target, **headers)

    def append(self, context, stream, type_, data, query="", **headers):
        return self.ask("POST", f"/streams/{context}/{stream}?type={type_}{query}", json.dumps(data), **headers)

    def close(self):
        self.connection.close()


class Events:
    """A stream of server-sent events."""

    def __init__(self, port, target, **headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
        self.connection.request("GET", target, None, {"Accept": "text/event-stream"} | {k.replace("_", "-"): v for k, v in headers.items()})
        self.response = self.connection.getresponse()
        self.status = self.response.status

    def next(self):
        """The next event as (id, data); None at the end. Comments are passed over."""
        fields = {}
        while True:
            line = self.response.readline()
            if not line:
                return None
            line = line.rstrip(b"\n").decode()
            if not line:
                if "data" in fields:
                    return fields.get("id"), json.loads(fields["data"]), fields.get("event")
                fields = {}
                continue
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name:
                fields[name] = fields[name] + "\n" + value if name in fields and name == "data" else value

    def close(self):
        self.connection.close()


class HttpCase(harness.ServeCase):
    def begin(self, *arguments, **options):
        server = self.serve(*arguments, **options)
        ports = {l["name"]: l["port"] for l in server.ready["listeners"]}
        server.http_port, server.kafka_port = ports["http"], ports["kafka"]
        server.api = self.api(server)
        return server

    def api(self, server):
        api = Api(server.http_port)
        self.addCleanup(api.close)
        return api

    def events(self, server, target, **headers):
        events = Events(server.http_port, target, **headers)
        self.addCleanup(events.close)
        self.assertEqual(events.status, 200)
        return events

    def wait_for(self, what, done):
        """Asks until it is done; a failure when that takes too long."""
        until = time.monotonic() + WAIT
        while not done():
            self.assertLess(time.monotonic(), until, what)

    def check(self, answer, status):
        self.assertEqual(answer.status, status, answer)
        if status >= 400:
            self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
            self.assertEqual(answer.json["status"], status)
        return answer


def main(case_module):
    import unittest
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} PROGRAM")
    HttpCase.program = sys.argv.pop(1)
    unittest.main(module=case_module)
