#!/usr/bin/env python3
"""The program may not write its directory, or finds the lock of a dead process: refused_test.py BATON [CLASS.TEST]. harness.py says how."""
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import harness
from harness import BATON, CrashCase, make_events

VIEWS = Path(__file__).resolve().parent / "views.yaml"
NOBODY = 65534
EVENT = ["append", "bank", "account-1", "--type", "Noted"]


class CrashRefused(CrashCase):
    def setUp(self):
        super().setUp()
        self.program = str(BATON)
        self.count = 30
        more = self.directory / "more.ndjson"
        more.write_text("".join(json.dumps(e) + "\n" for e in make_events(self.rng, self.count)))
        self.baton("append", "bank", "--ndjson", more)
        self.baton("view", "load", VIEWS)
        # Every command that writes, and every one that only reads.
        self.writing = [EVENT, ["append", "bank", "--ndjson", more], ["append", "other", "s-1", "--type", "Noted"], ["create-context", "other"],
                        ["delete", "account-1"], ["truncate", "account-1", "--before", "1"], ["view", "load", VIEWS], ["view", "update"],
                        ["view", "rebuild", "accounts"], ["view", "rollback", "accounts"], ["view", "drop", "accounts"],
                        ["tail", "--checkpoint", "consumer", "--no-follow"]]
        self.reading = [["info"], ["verify"], ["contexts"], ["streams"], ["read", "account-1"], ["tail", "--from", "beginning", "--no-follow"],
                        ["view", "list"], ["view", "query", "accounts", "SELECT * FROM account"]]

    def tree(self):
        """Every path below the data directory, its mode and a hash of what is in it."""
        out = {}
        for path in sorted(self.data.rglob("*")):
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            out[str(path.relative_to(self.data))] = (path.stat().st_mode, path.stat().st_mtime_ns, content)
        return out

    def check_unchanged(self, before, what, not_shm=False):
        after = self.tree()
        changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name) and not (not_shm and "-shm" in name))
        self.check(not changed, f"{what} changed {changed}")

    def run_as_is(self, arguments, inject=None, paths=(), **options):
        command = [self.program, "--data", str(self.data), "--json", *map(str, arguments)]
        if inject:
            traced = [word for path in paths for word in ("-P", str(path))]
            command = ["strace", "-f", "-qq", "-o", str(self.directory / "trace"), *traced, "-e", "inject=" + inject, *command]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment(), timeout=120, check=False, **options)

    def check_refused(self, arguments, run, words):
        self.check(run.returncode == 1, f"{arguments}: ended with {run.returncode}, not with 1: {run.stdout}{run.stderr}")
        problem = json.loads(run.stderr.splitlines()[-1])
        self.check(problem["error"] in ("read_only", "io_error") and words in problem["detail"] and str(self.data) in problem["detail"],
                   f"{arguments}: not a clear error: {problem}")

    def without_rights(self):
        """Nobody may write the directory, and the program is run by somebody who is no superuser; what subprocess needs for it."""
        self.directory.chmod(0o755)
        paths = [self.data, *self.data.rglob("*")]
        for path in paths:
            path.chmod(0o555 if path.is_dir() else 0o444)
        self.addCleanup(lambda: [path.chmod(0o755) for path in paths if path.is_dir()])
        if os.geteuid() != 0:
            return {}
        # The build directory may be out of reach for others.
        self.program = str(self.directory / "baton")
        shutil.copy(BATON, self.program)
        return {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": "/"}

    def test_F15_without_the_right_to_write_the_error_is_clear_and_nothing_is_changed(self):
        options = self.without_rights()
        before = self.tree()
        for arguments in self.writing:
            self.check_refused(arguments, self.run_as_is(arguments, **options), "Permission denied")
        self.check_unchanged(before, "a command that was refused")
        for arguments in self.reading:
            run = self.run_as_is(arguments, **options)
            self.check(run.returncode == 0 and run.stdout, f"{arguments}: only reads, and ended with {run.returncode}: {run.stderr}")
        self.check_unchanged(before, "reading")

    def test_F15_without_the_right_to_read_the_error_is_clear_and_nothing_is_changed(self):
        options = self.without_rights()
        self.data.chmod(0o700 if os.geteuid() == 0 else 0o000)
        for arguments in self.writing + self.reading:
            self.check_refused(arguments, self.run_as_is(arguments, **options), "Permission denied")
        self.data.chmod(0o555)

    def test_F15_a_directory_that_cannot_be_made_is_a_clear_error(self):
        options = self.without_rights()
        self.data = self.data / "new"
        self.check_refused(EVENT, self.run_as_is(EVENT, **options), "Permission denied")
        self.check(not self.data.exists(), "it is there")

    def test_F15_on_a_read_only_file_system_the_error_is_clear_and_nothing_is_changed(self):
        # A mount needs rights that a test may not have: every open for writing meets a lock file first, and that one says EROFS. The -shm of a
        # view holds the locks of its readers, and really cannot be written then.
        before = self.tree()
        locks = [self.data / "LOCK", *self.data.glob("views/*/LOCK")]
        for arguments in self.writing:
            self.check_refused(arguments, self.run_as_is(arguments, "openat:error=EROFS", locks), "Read-only file system")
        self.check_unchanged(before, "a command that was refused", not_shm=True)
        for arguments in self.reading:
            run = self.run_as_is(arguments, "openat:error=EROFS", locks)
            self.check(run.returncode == 0, f"{arguments}: only reads, and ended with {run.returncode}: {run.stderr}")
        self.check_unchanged(before, "reading", not_shm=True)

    def test_F15_a_file_that_cannot_be_opened_loses_nothing(self):
        expected, appended = self.baton("tail", "--from", "beginning", "--no-follow").out, 1
        for error, words in (("EACCES", "Permission denied"), ("EROFS", "Read-only file system")):
            for path in [self.data / "catalogue", self.data / "live", *self.data.glob("journal/*"), *self.data.glob("topics/*/0/*.log"), *self.data.glob("topics/*/0/*.marks")]:
                run = self.run_as_is(EVENT, f"openat:error={error}", [path])
                if "INJECTED" in (self.directory / "trace").read_text():
                    self.check_refused(path, run, words)
                else:
                    appended += run.returncode == 0  # it does not need this one
        self.baton(*EVENT)
        found = self.baton("tail", "--from", "beginning", "--no-follow").out
        self.check(found.startswith(expected) and len(found.splitlines()) == self.count + appended, f"not the events that were there, and the new one: {expected.splitlines()[-1]}\n" + "\n".join(found.splitlines()[self.count - 1:]))
        self.check_sound()

    def test_F22_the_lock_of_a_dead_process_whose_pid_lives_again_is_free(self):
        lock = self.data / "LOCK"
        text = re.sub(r"pid \d+", f"pid {os.getpid()}", lock.read_text())
        self.check(str(os.getpid()) in text, f"LOCK holds no pid: {text}")
        lock.write_text(text)
        self.baton(*EVENT)
        self.check_sound()

    def test_F9_what_is_missing_is_told_by_every_command_that_needs_it(self):
        """Also beside the marks of a writer that has ended, by which a reader goes: nothing is passed over, and no view is made of a part."""
        (directory,) = (self.data / "topics").glob("*/0")
        accounts = ["view", "query", "accounts", "SELECT * FROM account ORDER BY account"]
        rows = self.baton(*accounts).out
        aside = self.directory / "aside"
        for name in ["00000000000000000000.log", "00000000000000000000.marks"]:
            (directory / name).rename(aside)
            before = self.tree()
            for arguments in [["tail", "--from", "beginning", "--no-follow"], ["read", "account-1"], ["streams"], ["view", "rebuild", "accounts"], ["verify"], EVENT]:
                run = self.run_as_is(arguments)
                self.check(run.returncode == 7, f"{arguments} without {name}: ended with {run.returncode}: {run.stdout}{run.stderr}")
                self.check(str((directory / name).relative_to(self.data)) in run.stdout + run.stderr, f"{arguments} without {name}: {run.stdout}{run.stderr}")
                self.check(arguments == ["verify"] or not run.stdout, f"{arguments} without {name} printed {run.stdout}")
            # What does not need it goes on.
            self.check(json.loads(self.baton("info").out)["streams"] is None, "info knows the streams")
            self.check(self.baton(*accounts).out == rows, "the view has changed")
            topics = {path for path in before if path.startswith("topics")}
            self.check(topics == {path for path in self.tree() if path.startswith("topics")}, "files have come or gone")
            aside.rename(directory / name)
        self.check(len(self.baton("tail", "--from", "beginning", "--no-follow").out.splitlines()) == self.count, "not all events are there again")
        self.baton("view", "rebuild", "accounts")
        self.check(self.baton(*accounts).out == rows, "the view has changed")


if __name__ == "__main__":
    harness.main()
