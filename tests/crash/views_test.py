#!/usr/bin/env python3
"""The program is killed while it keeps views, or a sync of it fails: views_test.py BATON [CLASS.TEST]. harness.py says how."""
import json
import subprocess
import sys
from pathlib import Path

import harness
from fold import HANDLED, fold
from harness import CrashCase, Follower, make_events

HERE = Path(__file__).resolve().parent
VIEWS = HERE / "views.yaml"

# The checkpoint and the rows in one question: they are of one moment.
QUERIES = {
    "accounts": ("account", "SELECT account, balance, count, digest, last FROM account"),
    "entries": ("entry", "SELECT id, stream, cents FROM entry"),
    "words": ("word", "SELECT rowid, text FROM word"),
}
VIEW_OF = {"accounts": "accounts", "entries": "entries", "words": "entries"}


class CrashViews(CrashCase):
    def setUp(self):
        super().setUp()
        self.events = []      # of the context, in the order of the log
        self.checkpoint = {}  # view -> how many events it had applied when it was last looked at

    def begin(self, number):
        """A new data directory."""
        self.data = self.directory / f"data-{number}"
        self.events, self.checkpoint, self.pending = [], {}, None
        self.append_more(60)

    def append_more(self, count, run=None):
        """Events to append; those of a run that was killed are appended again by the next."""
        if self.pending is None:
            self.pending = make_events(self.rng, count, first=len(self.events))
            (self.directory / "more.ndjson").write_text("".join(json.dumps(e) + "\n" for e in self.pending))
        done = (run or (lambda _, *arguments: self.baton(*arguments)))("append", "append", "bank", "--ndjson", self.directory / "more.ndjson")
        if done.code in (0, harness.DONE_BEFORE):
            self.events, self.pending = self.events + self.pending, None

    def rows(self, question, *as_of, missing_is_fine=False):
        """(applied events, rows) of a view; None: there is no such view."""
        table, sql = QUERIES[question]
        run = self.baton("view", "query", VIEW_OF[question], f"SELECT (SELECT events FROM baton_checkpoint) AS applied, * FROM (SELECT 1) LEFT JOIN ({sql}) ON TRUE",
                         "--rows", "1000000", *as_of, expect=(0, 5) if missing_is_fine else (0,))
        if run.code == 5:
            return None
        rows = [list(json.loads(line).values()) for line in run.out.splitlines()]
        return rows[0][0], sorted(tuple(row[2:]) for row in rows if row[2] is not None)

    def check_views(self, *, may_go_back=False):
        """Each view is the fold of the events up to its checkpoint, and the checkpoint does not go back."""
        everything = self.events + (self.pending or [])
        for question, (table, _) in QUERIES.items():
            view = VIEW_OF[question]
            found = self.rows(question, missing_is_fine=view not in self.checkpoint)
            if found is None:
                continue
            applied, rows = found
            self.check(may_go_back or applied >= self.checkpoint.get(view, 0), f"{view}: {self.checkpoint.get(view)} events were applied, now {applied}")
            self.checkpoint[view] = applied
            expected = fold(everything, applied)
            self.check(expected["applied"] == applied, f"{view}: {applied} events were applied, and there are {expected['applied']}")
            self.check(rows == expected[table], f"{question}: not the fold of {applied} events:\n{rows}\n{expected[table]}")

    def check_past(self):
        """A view as of an event: what the kept copies, or what is left of them, answer."""
        log = self.baton("tail", "bank", "--from", "beginning", "--no-follow").out.splitlines()
        at = self.rng.randrange(len(log))
        position = json.loads(log[at])["position"]
        _, rows = self.rows("accounts", "--as-of-position", position)
        self.check(rows == fold((self.events + (self.pending or []))[:at + 1])["account"], f"accounts as of event {at} are not the fold of the events up to it: {rows}")

    def check_end(self):
        """All is applied: the views are the fold that fold.py makes of the log, as a program of its own."""
        self.append_more(1)
        self.baton("view", "load", VIEWS)
        self.baton("view", "update")
        log = self.baton("tail", "bank", "--from", "beginning", "--no-follow").out
        (self.directory / "log.ndjson").write_text(log)
        expected = json.loads(subprocess.run([sys.executable, str(HERE / "fold.py"), str(self.directory / "log.ndjson")], capture_output=True, check=True).stdout)
        self.check(expected["applied"] == sum(e["type"] in HANDLED for e in self.events), "events are missing in the log")
        for question, (table, _) in QUERIES.items():
            applied, rows = self.rows(question)
            self.check((applied, rows) == (expected["applied"], [tuple(row) for row in expected[table]]), f"{question}: not the fold of all {expected['applied']} events")
        for view in map(json.loads, self.baton("view", "list").out.splitlines()):
            self.check(view["state"] == "ready" and view["lag"] == 0, f"at the end: {view}")
        self.check_past()
        Follower(self, "bank", self.events).look(len(self.events))
        self.check_sound()

    def step(self, run):
        """One command that may be killed, and what holds after it; run: as run_and_kill."""
        known = len(self.checkpoint) == 2
        kind = self.rng.choices(["update", "rebuild", "append", "rollback", "load"], [10, 5, 3, 1, 1])[0] if known else "load"
        view = self.rng.choice(["accounts", "entries"])
        if kind == "append":
            self.append_more(25, run)
        elif kind == "update":
            self.append_more(20)  # else there is nothing to do
            run("update", "view", "update", *([view] if self.rng.random() < .5 else []))
        elif kind == "load":
            run("load", "view", "load", VIEWS)
        else:
            # Nothing to go back to, after a rebuild that was killed: not_found.
            run(kind, "view", kind, view, expect=(0, 5) if kind == "rollback" else (0,))
        self.check_views(may_go_back=kind == "rollback")
        if known and self.rng.random() < .15:
            self.check_past()

    def test_F49_views_are_the_fold_of_the_events_of_their_checkpoint_after_every_kill(self):
        target, history = harness.kills(220), 0
        while self.killed < target:
            self.begin(history)
            history += 1
            while self.killed < target and len(self.events) < 900:
                self.step(self.run_and_kill)
                self.check(self.runs < 30 + 3 * target, "too few runs come to their kill")
            self.check_end()

    def test_F12_a_failed_sync_ends_the_keeping_of_a_view_and_a_rebuild_is_right_again(self):
        target, history = harness.kills(220) // 8, 0

        def fail_a_sync(step, *arguments, **options):
            # A kept copy, or the generation that a rebuild has replaced, is beside the work.
            return self.run_and_fail_a_sync(step, *arguments, warned=arguments[0] == "view", **options)

        while self.failed < target:
            self.begin(history)
            history += 1
            self.baton("view", "load", VIEWS)
            self.check_views()
            while self.failed < target and len(self.events) < 500:
                self.step(fail_a_sync)
                # Stopped by the sync that failed, or by a rollback to a generation that one had stopped.
                for view in map(json.loads, self.baton("view", "list").out.splitlines()):
                    if view["state"] != "ready":
                        self.baton("view", "rebuild", view["view"])
                self.check(self.runs < 30 + 8 * target, "too few runs come to their failure")
            self.check_end()


if __name__ == "__main__":
    harness.main()
