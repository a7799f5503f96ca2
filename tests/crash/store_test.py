#!/usr/bin/env python3
"""The program is killed while it copies, restores or changes a store as a whole: store_test.py BATON [CLASS.TEST]. harness.py says how."""
import json
import shutil
from pathlib import Path

import harness
from harness import CrashCase, Follower, make_events

VIEWS = Path(__file__).resolve().parent / "views.yaml"
NOT_FOUND = 5


class CrashStore(CrashCase):
    def setUp(self):
        super().setUp()
        self.target = harness.kills(16)
        self.store = self.data  # strace() runs the program on self.data, which for a restore is another
        self.events = []

    def more_events(self, count, killed=False):
        """Appends; killed: it may be, and then the next call appends the same again."""
        more = make_events(self.rng, count, first=len(self.events))
        file = self.directory / "more.ndjson"
        file.write_text("".join(json.dumps(e) + "\n" for e in more))
        command = ["append", "bank", "--ndjson", file]
        if killed:
            self.run_and_kill("append", *command)
        self.baton(*command)
        self.events += more

    def enough_runs(self):
        self.check(self.runs < 30 + 6 * self.target, "too few runs come to their kill")

    def epoch(self, data):
        return json.loads(self.baton("info", data=data).out.splitlines()[0])["epoch"]

    def tail(self, data):
        return self.baton("tail", "bank", "--from", "beginning", "--no-follow", data=data).out.splitlines()

    def test_F1_a_backup_that_is_killed_is_no_backup_or_a_whole_one(self):
        follower = Follower(self, "bank", self.events)
        self.more_events(40)
        for number in range(10_000):
            if self.killed >= self.target:
                break
            self.enough_runs()
            backup = self.directory / "backup"
            if number % 4 == 3:
                self.more_events(10, killed=True)
            done = self.run_and_kill("backup", "backup", backup)
            follower = Follower(self, "bank", self.events)
            follower.look(len(self.events))
            restored = self.directory / "restored"
            run = self.baton("restore", backup, data=restored, expect=(0,) if done.code == 0 else (0, NOT_FOUND))
            self.check((run.code == 0) == (backup / "catalogue").exists(), "a directory with a catalogue is a backup, and no other")
            if run.code == 0:
                self.check(self.tail(restored) == follower.seen, "the restored store has other events")
            for directory in (backup, restored):
                shutil.rmtree(directory, ignore_errors=True)
        self.check_sound()

    def test_F1_of_a_store_whose_writer_is_killed_anywhere_a_backup_has_all_that_was_acknowledged(self):
        self.more_events(20)
        backup, restored = self.directory / "backup", self.directory / "restored"
        while self.killed < self.target:
            self.enough_runs()
            self.run_and_kill("one", "append", "bank", "account-1", "--type", "Noted")
            self.baton("backup", backup)
            self.baton("restore", backup, data=restored)
            copied, kept = self.tail(restored), self.tail(self.data)
            self.check(copied == kept, f"{len(copied)} events were copied, and there are {len(kept)}")
            for directory in (backup, restored):
                shutil.rmtree(directory)

    def test_F1_a_restore_that_is_killed_leaves_no_store_or_a_whole_one(self):
        self.more_events(40)
        backup = self.directory / "backup"
        self.baton("backup", backup)
        expected, before = self.tail(self.store), self.epoch(self.store)
        self.data = self.directory / "restored"
        while self.killed < self.target:
            self.enough_runs()
            done = self.run_and_kill("restore", "restore", backup)
            if (self.data / "catalogue").exists():
                self.check(self.tail(self.data) == expected, "the restored store has other events")
                self.check(self.epoch(self.data) > before + 1000, "a restored store whose epoch is not raised")
                self.check_sound()
                self.baton("append", "bank", "account-1", "--type", "Noted")
            else:
                self.check(done.killed, "a restore that ended well, and no store")
                self.baton("info", expect=(NOT_FOUND,))
            shutil.rmtree(self.data, ignore_errors=True)

    def visible(self, stream):
        """The versions that a read of the stream shows."""
        run = self.baton("read", stream, "--context", "bank", "-n", "100000", expect=(0, NOT_FOUND))
        return [json.loads(line)["version"] for line in run.out.splitlines()]

    def test_F1_deletes_truncations_and_new_contexts_are_there_or_not_after_every_kill(self):
        self.more_events(60)
        contexts = {"bank"}
        while self.killed < self.target:
            self.enough_runs()
            kind = self.rng.choice(["delete", "truncate", "create-context"])
            if kind == "create-context":
                name = f"c{self.runs}"
                done = self.run_and_kill(kind, kind, name, "--partitions", "2")
                self.baton("append", "bank", "account-0", "--type", "Noted")  # by a writer that recovers what was on its way
                found = {json.loads(line)["context"] for line in self.baton("contexts").out.splitlines()}
                self.check(found == contexts | {name} or (done.killed and found == contexts), f"contexts: {found}, and there were {contexts}")
                contexts = found
            else:
                stream = f"account-{self.rng.randrange(5)}"
                before = self.visible(stream)
                if len(before) < 2:
                    self.more_events(40)
                    continue
                first = before[self.rng.randrange(1, len(before))]
                done = self.run_and_kill(kind, kind, stream, "--context", "bank", *(["--before", first] if kind == "truncate" else []))
                after = self.visible(stream)
                changed = [v for v in before if v >= first] if kind == "truncate" else []
                self.check(after == changed or (done.killed and after == before), f"{stream}: {before} before, {after} after")
                # Its versions go on where they were. What was on its way when it was killed may be there once a writer has recovered it.
                last = json.loads(self.baton("append", "bank", stream, "--type", "Noted").out.splitlines()[-1])["version"]
                later = self.visible(stream)
                self.check(last == before[-1] + 1 and later in (after + [last], changed + [last]), f"{stream}: {before} before, {after} after, and then {later}")
            self.check_sound()

    def test_F1_a_view_that_is_dropped_is_there_or_not_after_every_kill(self):
        self.more_events(60)
        question = ["view", "query", "accounts", "SELECT account, balance, count, digest, last FROM account ORDER BY account"]
        self.baton("view", "load", VIEWS)
        expected = self.baton(*question).out
        while self.killed < self.target:
            self.enough_runs()
            done = self.run_and_kill("drop", "view", "drop", "accounts")
            left = self.baton(*question, expect=(0, NOT_FOUND))
            self.check((left.code == 0 and left.out == expected and done.killed) or left.code == NOT_FOUND, f"the view is neither as it was nor gone: {left.out}")
            listed = [json.loads(line)["view"] for line in self.baton("view", "list").out.splitlines()]
            self.check(("accounts" in listed) == (left.code == 0), f"listed: {listed}")
            self.baton("view", "load", VIEWS)
            self.check(self.baton(*question).out == expected, "the view that was loaded again is another")


if __name__ == "__main__":
    harness.main()
