"""The examples of docs/http.md: each command is run by a shell, and says what the page says that it says.

    page_test.py PROGRAM          compares
    page_test.py PROGRAM --write  writes what the commands say into the page
"""
import re
import subprocess
import sys
import unittest
from pathlib import Path

from api import HttpCase
from harness import WAIT

PAGE = Path(__file__).resolve().parents[2] / "docs" / "http.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.S)


def steady(text):
    """What differs from run to run, made equal."""
    text = re.sub(r"p1\.[0-9a-f]{16}\.\d+\.\d+", "POSITION", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID", text)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME", text)


class Page(HttpCase):
    def test_each_command_says_what_the_page_says(self):
        server = self.begin()
        text = PAGE.read_text()
        count = 0

        def run(match):
            nonlocal count
            out = ""
            for command in re.findall(r"^\$ (.*)$", match[1], re.M):
                count += 1
                done = subprocess.run(["bash", "-c", command.replace("curl ", "curl -sS ").replace("localhost:8081", f"localhost:{server.http_port}")],
                                      capture_output=True, text=True, timeout=WAIT, check=False)
                self.assertEqual((done.returncode, done.stderr), (124 if command.startswith("timeout ") else 0, ""), command)
                out += f"$ {command}\n{done.stdout.strip()}\n"
            return f"```console\n{out}```"
        written = BLOCK.sub(run, text)
        self.assertGreater(count, 5)
        if WRITE:
            PAGE.write_text(written)
        else:
            self.maxDiff = None
            self.assertEqual(steady(written), steady(text))


WRITE = "--write" in sys.argv

if __name__ == "__main__":
    HttpCase.program = sys.argv[1]
    unittest.main(argv=sys.argv[:1])
