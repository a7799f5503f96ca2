"""A client that sends requests without waiting for their answers gets what it would get if it waited: turn_test.py PROGRAM."""
import json
import socket
import struct

from api import HttpCase, main
from harness import WAIT

ROUNDS = 50


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def request(key, version, body, correlation=0):
    """A request of Kafka's protocol, header version 1, as its schemas have it."""
    message = struct.pack(">hhi", key, version, correlation) + text("turn") + body
    return struct.pack(">i", len(message)) + message


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def batch():
    """One record, key k, value v."""
    record = b"\x00\x00\x00\x02k\x02v\x00"
    body = struct.pack(">hiqqqhii", 0, 0, 1_700_000_000_000, 1_700_000_000_000, -1, -1, -1, 1) + bytes([len(record) << 1]) + record
    return struct.pack(">qiib", 0, len(body) + 9, 0, 2) + struct.pack(">I", crc32c(body)) + body


BATCH = batch()


def create(topic):
    return request(19, 2, struct.pack(">i", 1) + text(topic) + struct.pack(">ihiiib", 1, 1, 0, 0, 30000, 0))


def delete(topic):
    return request(20, 1, struct.pack(">i", 1) + text(topic) + struct.pack(">i", 30000))


def produce(topic):
    return request(0, 3, struct.pack(">hhii", -1, -1, 30000, 1) + text(topic) + struct.pack(">iii", 1, 0, len(BATCH)) + BATCH)


def end(topic):
    return request(2, 1, struct.pack(">ii", -1, 1) + text(topic) + struct.pack(">iiq", 1, 0, -1))


def commit(topic, offset):
    return request(8, 2, text("turn") + struct.pack(">i", -1) + text("") + struct.pack(">qi", -1, 1) + text(topic) + struct.pack(">iiqh", 1, 0, offset, 0))


def committed(topic):
    return request(9, 1, text("turn") + struct.pack(">i", 1) + text(topic) + struct.pack(">ii", 1, 0))


class Turns(HttpCase):
    def setUp(self):
        super().setUp()
        self.server = self.begin()

    def http(self, *requests):
        """Sends all, and returns (status, body) of each."""
        sent = b""
        for i, (method, target, *body) in enumerate(requests):
            content = json.dumps(body[0]).encode() if body else b""
            last = "Connection: close\r\n" if i + 1 == len(requests) else ""
            sent += (f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{last}"
                     f"Content-Length: {len(content)}\r\n\r\n").encode() + content
        with socket.create_connection(("127.0.0.1", self.server.http_port), timeout=WAIT) as client:
            client.sendall(sent)
            reader = client.makefile("rb")
            answers = []
            for _ in requests:
                status, length = int(reader.readline().split()[1]), 0
                while (line := reader.readline()) not in (b"\r\n", b""):
                    name, _, value = line.decode().partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                answers.append((status, reader.read(length)))
            return answers

    def kafka(self, *requests):
        """Sends all, and returns the body of each reply."""
        with socket.create_connection(("127.0.0.1", self.server.kafka_port), timeout=WAIT) as client:
            client.sendall(b"".join(requests))
            reader = client.makefile("rb")
            return [reader.read(struct.unpack(">i", reader.read(4))[0])[4:] for _ in requests]

    def test_http_requests_in_a_row_see_what_those_before_them_did(self):
        for i in range(ROUNDS):
            made, first, second, read, deleted, gone = self.http(
                ("PUT", f"/contexts/c{i}", {"data_bytes_max": 2048}), ("POST", f"/streams/c{i}/s?type=A", {"n": 1}), ("POST", f"/streams/c{i}/s?type=A", {"n": 2}),
                ("GET", f"/streams/c{i}/s"), ("DELETE", f"/streams/c{i}/s"), ("GET", f"/streams/c{i}/s"))
            self.assertEqual([a[0] for a in (made, first, second, read, deleted, gone)], [201, 201, 200, 200, 200, 404], (made, first, second, read, deleted, gone))
            self.assertEqual([e["data"]["n"] for e in json.loads(read[1])["events"]], [1, 2])
            self.assertEqual(json.loads(made[1])["options"]["data_bytes_max"], 2048, made)

    def test_kafka_requests_in_a_row_see_what_those_before_them_did(self):
        for i in range(ROUNDS):
            topic = f"t{i}"
            replies = self.kafka(create(topic), produce(topic), produce(topic), end(topic), commit(topic, 1), commit(topic, 2), committed(topic),
                                 delete(topic), create(topic), end(topic))
            name = 4 + len(text(topic))
            self.assertEqual(struct.unpack_from(">hq", replies[1], 4 + name + 4), (0, 0))
            self.assertEqual(struct.unpack_from(">hq", replies[2], 4 + name + 4), (0, 1))
            self.assertEqual(struct.unpack_from(">hqq", replies[3], 4 + name + 4), (0, -1, 2))
            self.assertEqual(struct.unpack_from(">q", replies[6], 4 + name + 4), (2,), replies[6])
            self.assertEqual(struct.unpack_from(">h", replies[7], 8 + len(text(topic))), (0,), replies[7])
            self.assertEqual(struct.unpack_from(">h", replies[8], 8 + len(text(topic))), (0,), replies[8])
            self.assertEqual(struct.unpack_from(">hqq", replies[9], 4 + name + 4), (0, -1, 0), replies[9])


if __name__ == "__main__":
    main("__main__")
