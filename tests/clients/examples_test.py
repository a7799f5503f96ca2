#!/usr/bin/env python3
"""The programs of docs/expected-version.md, taken out of it and run as it says: examples_test.py BATON."""
import os
import re
import subprocess
import sys
from pathlib import Path

import install
from cases import ClientCase, main
from harness import WAIT

DOCUMENT = install.ROOT / "docs/expected-version.md"
CONFLICT = 4


def program(language):
    """The one block of a language."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1, language
    return blocks[0]


class ExpectedVersion(ClientCase):
    def setUp(self):
        super().setUp()
        self.make_topic("rides", **{"baton.kind": "event"})

    def check(self, name, language, command, environment):
        path = self.directory / name
        path.write_text(program(language))

        def append(expected, data, code=0):
            done = subprocess.run([*command, path, self.bootstrap, "rides", "ride-7", expected, data], capture_output=True, text=True, timeout=3 * WAIT, check=False,
                                  env=os.environ | environment)
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
            return done.stdout

        self.assertEqual(append("no-stream", '{"station":58}'), "written at offset 0\n")
        self.assertEqual(append("0", '{"station":65}'), "written at offset 1\n")
        refused = append("0", '{"station":66}', CONFLICT)
        self.assertIn("ride-7 is not at 0: read it again and decide again\n", refused)
        self.assertEqual(append("1", '{"station":66}'), "written at offset 2\n")
        self.assertEqual([e["data"] for e in self.baton("read", "ride-7", "--context", "rides")], [{"station": 58}, {"station": 65}, {"station": 66}])
        return refused

    def test_python(self):
        self.check("append.py", "python", [sys.executable, "-B"], {"PYTHONPATH": str(install.python_packages())})

    def test_node(self):
        node, driver = install.node_driver()
        self.check("append.js", "js", [node], {"NODE_PATH": str(Path(driver).parent / "node_modules")})

    def test_java(self):
        jars = install.run(install.ROOT / "tools/peers/kafka", "libs").strip()
        refused = self.check("Append.java", "java", ["java", "-cp", f"{jars}/*"], {})
        self.assertIn("expected version 0, found version 1", refused)


if __name__ == "__main__":
    main()
