"""What the crash tests share: the program under strace, the events that it is given, and the random choices.

strace counts the calls of each thread by name. `inject=NAME:signal=SIGKILL:when=N` ends the process before a thread's Nth call of that name,
`inject=NAME:error=EIO:when=N` makes that call fail without doing it. Which call it is to be is drawn from what earlier runs of the same
command have called: half the time any call that changes a file, and else first the name, so that the rare ones (rename, mkdir) come as
often as the frequent ones, then the number.

    BATON_CRASH_SEED    where the random choices start (default 1)
    BATON_CRASH_KILLS   the number of kills of each test that counts them

A seed gives the same commands and the same choices. How the program's threads meet is not in its hands.
"""
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path

BATON = Path(sys.argv.pop(1) if len(sys.argv) > 1 else "baton").resolve()
SEED = int(os.environ.get("BATON_CRASH_SEED", "1"))

DONE_BEFORE = 9  # the exit code of a command that had done its work when the store failed

# One call as strace writes it: "7316 fdatasync(9</tmp/x/journal/00000000000000000001>) = 0".
CALL = re.compile(r"(\d+) +(\w+)\((.*)")
PATH = re.compile(r"\d+<([^>]*)>")
MARK = re.compile(r"#(\d{6})#")
CHANGES = {"pwrite64", "pwritev", "write", "sync_file_range", "fdatasync", "fsync", "syncfs", "fallocate", "ftruncate", "rename", "renameat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir"}
LOOKS_ONLY = {"execve", "access", "readlink", "ioctl"}  # the loader's and the terminal's: nothing of the store is under way


def scratch():
    """Where the directories are made. A kill does not lose what is in the page cache, so that a disk adds nothing but the time of its syncs."""
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK | os.X_OK):
        space = os.statvfs(memory)
        if space.f_bavail * space.f_frsize > 1 << 30:
            return memory
    return None


def kills(default):
    return int(os.environ.get("BATON_CRASH_KILLS", default))


class Trace:
    """What one run called."""

    def __init__(self, text):
        self.lines = text.splitlines()
        counts, running = Counter(), {}
        self.calls = []      # (name, its arguments), by when they began
        self.failed = None   # of the call that was made to fail: its arguments, and how many calls had begun until then
        for line in self.lines:
            if match := CALL.match(line):
                counts[match[1], match[2]] += 1
                self.calls.append((match[2], match[3]))
                running[match[1]] = match[3]
            if "(INJECTED)" in line and self.failed is None:
                # With several threads a call and its result are two lines.
                self.failed = (running[line.split()[0]], len(self.calls))
        self.most = Counter()  # name -> the most calls of one thread
        for (_, name), count in counts.items():
            self.most[name] = max(self.most[name], count)

    def syncs_again(self):
        """Syncs of the file whose sync failed, after that."""
        path = PATH.match(self.failed[0])[1]
        if re.search(r"/views/\w+$", path):
            # SQLite syncs this directory for each of a view's files: one that failed for a generation that is given up says nothing about
            # the others. What a lost name of a view could do is no more than to lose the view, which the log can build again.
            return []
        return [name + "(" + rest for name, rest in self.calls[self.failed[1]:] if name in ("fsync", "fdatasync", "syncfs") and PATH.match(rest)[1] == path]

    def last_mark(self):
        """The largest number of an event (Event.mark) that was on its way into the journal; -1: none."""
        marks = [int(m) for name, rest in self.calls if name.startswith("pwrite") and "/journal/" in rest[:400] for m in MARK.findall(rest)]
        return max(marks, default=-1)


class Run:
    def __init__(self, done, trace=None):
        self.code, self.out, self.err, self.trace = done.returncode, done.stdout, done.stderr, trace

    @property
    def killed(self):
        return self.code == -9


def make_events(rng, count, first=0):
    """Events as `append --ndjson` takes them, in the order of the log. `mark` numbers them, for Trace.last_mark."""
    events = []
    for i in range(first, first + count):
        account, branch, kind = rng.randrange(5), rng.randrange(3), rng.choices(["Deposited", "Withdrawn", "Noted"], [5, 3, 1])[0]
        events.append({"stream": f"account-{account}", "type": kind, "id": f"e-{i}", "time": f"2026-01-01T{i // 3600 % 24:02d}:{i // 60 % 60:02d}:{i % 60:02d}Z",
                       "tags": [f"branch:{branch}"],
                       "data": {"mark": f"#{i:06d}#", "account": account, "branch": branch, "cents": rng.randrange(1, 10_000), "text": "x" * rng.randrange(40)}})
    return events


def with_versions(events):
    """What a reader should get, in order: each stream's versions count from 0."""
    heads, out = Counter(), []
    for e in events:
        out.append((e["stream"], heads[e["stream"]], e["type"], e["id"], e["time"], e["tags"], e["data"]))
        heads[e["stream"]] += 1
    return out


def as_read(event):
    return (event["stream"], event["version"], event["type"], event["id"], event["time"], event["tags"], event["data"])


def without_place(lines):
    """Lines of `tail --json` without when and where they were stored: two stores with the same events give the same."""
    return [re.sub(r'"(recorded|position)":"[^"]*",', "", line) for line in lines]


class CrashCase(unittest.TestCase):
    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="baton-crash-", dir=scratch()))
        self.addCleanup(shutil.rmtree, self.directory)
        self.data = self.directory / "data"
        self.rng = random.Random(f"{SEED} {self.id().split('.', 1)[-1]}")
        self.most = {}  # what a command was seen to call at most: words of the command -> Trace.most
        self.killed = self.failed = self.runs = 0
        self.story = []

    def tearDown(self):
        if self.runs == 0:
            return
        name = self.id().split(".", 1)[-1]
        print(f"{name}: seed {SEED}, {self.runs} runs, {self.killed} killed, {self.failed} with a failed sync")
        sys.stdout.flush()

    def environment(self):
        return {k: v for k, v in os.environ.items() if k != "BATON_DATA"}

    def explain(self, what):
        """The message of a failure: how to have it again, and what was done last."""
        return (f"{what}\nagain: BATON_CRASH_SEED={SEED} BATON_CRASH_KILLS={os.environ.get('BATON_CRASH_KILLS', '')} python3 {sys.argv[0]} {BATON} "
                f"{self.id().split('.', 1)[-1]}\nlast runs:\n  " + "\n  ".join(self.story[-6:]))

    def check(self, holds, what):
        if not holds:
            self.fail(self.explain(what))

    def baton(self, *arguments, expect=(0,), data=None, **options):
        command = [str(BATON), "--data", str(data or self.data), "--json", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment(), timeout=120, check=False, **options)
        self.check(done.returncode in expect, f"{arguments} ended with {done.returncode}: {done.stdout[-500:]}{done.stderr}")
        return Run(done)

    def strace(self, inject, *arguments):
        """Runs the program under strace; inject: None, or what strace's -e inject= takes."""
        file = self.directory / "trace"
        command = ["strace", "-f", "-y", "-qq", "-s", "1200", "-o", str(file), "-e", "trace=%file,%desc"]
        command += ["-e", "inject=" + inject] if inject else []
        command += [str(BATON), "--data", str(self.data), "--json", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment(), timeout=120, check=False)
        run = Run(done, Trace(file.read_text(errors="replace")))
        self.runs += 1
        self.killed += run.killed
        self.story.append(f"{' '.join(map(str, arguments))} [{inject}]: {run.code} {run.out[-200:].strip()} {run.err[-300:].strip()}")
        return run

    def draw(self, step, *, only=None):
        """A call for strace to inject at, NAME and N; None as long as the step (a word for the kind of command) was never seen."""
        most = {name: n for name, n in self.most.get(step, {}).items() if name not in LOOKS_ONLY and (only is None or name in only)}
        if not most:
            return None
        changes = sorted(name for name in most if name in CHANGES)
        if changes and self.rng.random() < .5:
            name = self.rng.choices(changes, [most[name] for name in changes])[0]
        else:
            name = self.rng.choice(sorted(most))
        return name, self.rng.randint(1, most[name])

    def learn(self, step, run):
        # The most of all runs: a run that was killed early or had little to do says nothing about the next one.
        most = self.most.setdefault(step, Counter())
        for name, n in run.trace.most.items():
            most[name] = max(most[name], n)

    def run_and_kill(self, step, *arguments, signal="SIGKILL", expect=(0,)):
        """One run that is killed somewhere, or was not reached by its kill and then ends well."""
        drawn = self.draw(step)
        run = self.strace(f"{drawn[0]}:signal={signal}:when={drawn[1]}" if drawn else None, *arguments)
        self.check(run.killed or run.code in expect, "neither killed nor done (6: the lock of the killed one was not free, F22)")
        self.learn(step, run)
        return run

    def run_and_fail_a_sync(self, step, *arguments, expect=(0,), warned=False):
        """One run with one sync that fails, if it comes so far; warned: a warning will do, since it was only of something beside the work."""
        drawn = self.draw(step, only=("sync_file_range", "fdatasync", "fsync", "syncfs"))
        run = self.strace(f"{drawn[0]}:error=EIO:when={drawn[1]}" if drawn else None, *arguments)
        self.learn(step, run)
        self.check(not run.killed, "killed by nobody")
        if run.trace.failed is None:
            self.check(run.code in expect, "no sync failed, and it did not end well")
            return run
        self.failed += 1
        self.check(run.code == 1 or (run.code == DONE_BEFORE and run.out) or (warned and "warning:" in run.err),
                   f"a sync failed, and the command did not end with 1, nor with 9 when its work was done: {run.trace.failed[0]}")
        self.check(not run.trace.syncs_again(), f"a failed sync was tried again: {run.trace.syncs_again()}")
        return run

    def check_sound(self):
        made = (self.data / "catalogue").exists()  # else it was killed before there was a store
        run = self.baton("verify", expect=(0,) if made else (5,))
        self.check(not made or json.loads(run.out.splitlines()[-1])["findings"] == 0, f"verify: {run.out}")


class Follower:
    """What readers have seen of one context: it may only grow, and is a prefix of what was sent."""

    def __init__(self, case, context, events):
        self.case, self.context, self.expected = case, context, with_versions(events)
        self.seen = []  # lines, whole: also positions, offsets and times of append never change

    def look(self, at_least=0):
        run = self.case.baton("tail", self.context, "--from", "beginning", "--no-follow", expect=(0, 5))
        lines = run.out.splitlines() if run.code == 0 else []
        check = self.case.check
        check(len(lines) >= at_least, f"{self.context}: {at_least} events were acknowledged, {len(lines)} are there")
        check(len(lines) >= len(self.seen) and lines[:len(self.seen)] == self.seen,
              f"{self.context}: {len(self.seen)} events had been read, and now it begins otherwise ({len(lines)} events)")
        events = [json.loads(line) for line in lines[len(self.seen):]]
        expected = self.expected[len(self.seen):len(lines)]
        check([as_read(e) for e in events] == expected, f"{self.context}: events {len(self.seen)}.. are not those that were sent, in their order")
        offsets = [json.loads(line)["offset"] for line in lines]
        check(all(a < b for a, b in zip(offsets, offsets[1:])), f"{self.context}: offsets do not grow: {offsets}")
        self.seen = lines
        return len(lines)


def main():
    unittest.main(verbosity=0)
