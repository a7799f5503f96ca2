"""The program as a user runs it, with a data directory of its own: what the tests beside this file share."""
import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import unittest
from pathlib import Path

BATON = sys.argv.pop(1) if len(sys.argv) > 1 else "baton"

MAP = """context: orders
source: /import/test
fields:
  order: {column: order, type: integer}
  at: {column: at, type: time}
events:
  - type: OrderPlaced
    stream: "order-{order}"
    id: "placed-{order}"
    time: at
    data: {order: order}
"""

VIEWS = """views:
  totals:
    context: shop
    tables: CREATE TABLE total (sku TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT;
    on:
      LineAdded:
        - sql: INSERT INTO total VALUES (:sku, :n) ON CONFLICT (sku) DO UPDATE SET n = n + excluded.n
          rows: 1
"""


class Program(unittest.TestCase):
    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="baton-cli-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.data = self.directory / "data"

    def run_baton(self, *arguments, expect=0, text=None):
        environment = {k: v for k, v in os.environ.items() if k != "BATON_DATA"}
        done = subprocess.run([BATON, "--data", str(self.data), *arguments], capture_output=True, text=True, input=text,
                              env=environment, timeout=60, check=False)
        self.assertEqual(done.returncode, expect, f"{arguments}: {done.stdout}{done.stderr}")
        return done

    def on_a_terminal(self, *arguments, columns=80):
        """What the program prints on a terminal, without colours."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
        program = subprocess.Popen([BATON, "--data", str(self.data), *arguments], stdout=theirs, env={k: v for k, v in os.environ.items() if k != "NO_COLOR"})
        os.close(theirs)
        self.addCleanup(program.kill)
        printed = b""
        try:
            while some := os.read(ours, 65536):
                printed += some
        except OSError:  # how the end of a terminal is told
            pass
        os.close(ours)
        self.assertEqual(program.wait(timeout=60), 0, printed)
        return re.sub(r"\x1b\[\d+m", "", printed.decode()).replace("\r\n", "\n")

    def lines(self, *arguments, **options):
        return [json.loads(line) for line in self.run_baton("--json", *arguments, **options).stdout.splitlines()]

    def append(self, stream="cart-1", kind="LineAdded", data='{"sku":"a","n":2}', *more, **options):
        return self.run_baton("append", "shop", stream, "--type", kind, "--data", data, *more, **options)
