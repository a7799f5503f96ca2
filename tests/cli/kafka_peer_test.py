#!/usr/bin/env python3
"""baton topics, produce, consume, groups and acls against Apache Kafka: kafka_peer_test.py BATON."""
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from kafka_cases import AnyCluster

KAFKA = Path(__file__).resolve().parent.parent.parent / "tools" / "peers" / "kafka"
PROGRAM = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "baton"


def free_ports():
    """Two neighbours, for the broker and its controller, that the system gives to nobody else by itself."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(min(20_000, low - 5_000), low - 1)
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
                return port
            except OSError:
                continue


class Kafka(AnyCluster, unittest.TestCase):
    program = PROGRAM
    CHANGES_ARE_SEEN_AT_ONCE = False  # Kafka says that a setting is changed before each request about it sees so

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="baton-kafka-")
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        environment = os.environ | {"KAFKA_PORT": str(free_ports()), "KAFKA_HEAP": "512m"}
        cls.addClassCleanup(subprocess.run, [KAFKA, "stop", cls.directory], check=True)
        settings = ("auto.create.topics.enable=false", "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                    "allow.everyone.if.no.acl.found=true", "super.users=User:ANONYMOUS")
        started = subprocess.run([KAFKA, "start", cls.directory, *settings], env=environment, stdout=subprocess.PIPE, text=True, check=True)
        cls.bootstrap = started.stdout.split()[-1]


if __name__ == "__main__":
    unittest.main(verbosity=2)
