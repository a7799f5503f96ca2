#!/usr/bin/env python3
"""The program is killed while it appends, imports or follows, or a sync of it fails: log_test.py BATON [CLASS.TEST]. harness.py says how."""
import csv
import json

import harness
from harness import CrashCase, Follower, make_events, without_place

MAP = """context: {context}
source: /import/crash
order_by: time
fields:
  id: {{column: id}}
  kind: {{column: kind}}
  at: {{column: at, type: time}}
  account: {{column: account, type: integer}}
  branch: {{column: branch, type: integer}}
  cents: {{column: cents, type: integer}}
  mark: {{column: mark}}
  text: {{column: text}}
events:
"""
MAP_EVENT = """  - type: {kind}
    when: 'kind = "{kind}"'
    stream: "account-{{account}}"
    id: "{{id}}"
    time: at
    tags: ["branch:{{branch}}"]
    data: {{mark: mark, account: account, branch: branch, cents: cents, text: text}}
"""


class CrashLog(CrashCase):
    """A history is one data directory: it begins with none, and ends when every context has all of its events."""

    def histories(self, counted, target):
        """0, 1, ..: each with a new data directory, until counted() has come to target."""
        number = 0
        while counted() < target:
            self.check(self.runs < 30 + 4 * target, "too few runs come to their kill or failure")
            self.data = self.directory / f"data-{number}"
            yield number
            number += 1

    def append_file(self, context, events):
        path = self.directory / f"{context}.ndjson"
        path.write_text("".join(json.dumps(e) + "\n" for e in events))
        return ["append", context, "--ndjson", path]

    def import_file(self, context, events):
        """Rows in the order of the log, each with a time of its own, and some that do not fit."""
        rows, map_file = self.directory / f"{context}.csv", self.directory / f"{context}.yaml"
        with rows.open("w", newline="") as file:
            out = csv.DictWriter(file, ["id", "kind", "at", "account", "branch", "cents", "mark", "text"])
            out.writeheader()
            for e in events:
                out.writerow({"id": e["id"], "kind": e["type"], "at": e["time"], **e["data"]})
                if e["data"]["cents"] % 50 == 0:
                    out.writerow({"id": e["id"], "kind": e["type"], "at": "yesterday"})
        map_file.write_text(MAP.format(context=context) + "".join(MAP_EVENT.format(kind=k) for k in sorted({e["type"] for e in events})))
        return ["import", rows, "--map", map_file, "--rejects", self.directory / f"{context}.rejects.csv"]

    def check_like_clean(self, context, command, lines):
        """The same command on an empty directory, left alone, gives the same."""
        clean = self.directory / f"clean-{self.data.name}-{context}"
        self.baton(*command, data=clean, expect=(0, 3))
        expected = self.baton("tail", context, "--from", "beginning", "--no-follow", data=clean).out.splitlines()
        self.check(without_place(lines) == without_place(expected), f"{context}: not what a clean run gives")

    def append_until_done(self, run_once, wanted, count):
        """A file of events to each of two contexts, until they are there or wanted() says enough; every run is checked."""
        for n in range(2):
            context = f"c{n}"
            # Marks of their own: a round of one context carries the last sector of the other's segment.
            events = make_events(self.rng, count, first=n * 1000)
            follower, command = Follower(self, context, events), self.append_file(context, events)
            done = False
            while not done and wanted():
                run = run_once(command)
                done = run.code in (0, harness.DONE_BEFORE)
                # It sends an event when the one before it was acknowledged: what is on its way tells how far that is.
                follower.look(count if run.out else max(0, run.trace.last_mark() - n * 1000))
                self.check_sound()
                self.check(not run.out or json.loads(run.out)["events"] == count, f"the report: {run.out}")
            if not done:
                return
            self.check_like_clean(context, command, follower.seen)

    def test_F1_what_append_has_acknowledged_is_there_after_every_kill_F22(self):
        target = harness.kills(60)
        for _ in self.histories(lambda: self.killed, target):
            self.append_until_done(lambda command: self.run_and_kill("append", *command), lambda: self.killed < target, 40)

    def test_F12_a_failed_sync_ends_append_and_is_not_tried_again(self):
        target = harness.kills(60) // 2
        for _ in self.histories(lambda: self.failed, target):
            self.append_until_done(lambda command: self.run_and_fail_a_sync("append", *command), lambda: self.failed < target, 25)

    def noted_by_import(self):
        """How many events the import's own checkpoint says are durable."""
        for file in self.data.glob("checkpoints/import-????????????????"):
            return int(file.read_text().splitlines()[1].removeprefix("events "))
        return 0

    def import_until_done(self, run_once, wanted, count):
        events = make_events(self.rng, count)
        follower, command = Follower(self, "big", events), self.import_file("big", events)
        rejects = self.directory / "big.rejects.csv"
        rejects.unlink(missing_ok=True)
        run = None
        while (run is None or run.code not in (0, 3)) and wanted():
            before = len(follower.seen)
            run = run_once(command)
            follower.look(count if run.out else self.noted_by_import())
            self.check_sound()
            if run.out:
                report = json.loads(run.out)
                self.check(report["added"] + report["duplicates"] == count and report["duplicates"] >= before, f"{before} were there before: {report}")
        if run.code in (0, 3):
            self.check(not (self.data / "tmp" / "import").exists() and self.noted_by_import() == 0, "an import that is done leaves files")
            rejected = rejects.read_text() if rejects.exists() else ""
            self.check_like_clean("big", command, follower.seen)
            self.check(rejected == (rejects.read_text() if rejects.exists() else ""), "not the rejects of a clean import")

    def test_F1_an_import_that_is_killed_and_run_again_is_a_clean_import_F22(self):
        target = harness.kills(60)

        def run_once(command):
            # An import that is interrupted notes how far it is, for the next one: an acknowledgement too. (130, -2: twice, or before it listened.)
            signal, codes = ("SIGINT", (0, 1, 3, 130, -2)) if self.rng.random() < .25 else ("SIGKILL", (0, 3))
            return self.run_and_kill("import", *command, signal=signal, expect=codes)

        for _ in self.histories(lambda: self.killed, target):
            self.import_until_done(run_once, lambda: self.killed < target, 700)

    def test_F12_a_failed_sync_ends_an_import_and_is_not_tried_again(self):
        target = harness.kills(60) // 3
        for _ in self.histories(lambda: self.failed, target):
            self.import_until_done(lambda command: self.run_and_fail_a_sync("import", *command, expect=(0, 3)), lambda: self.failed < target, 300)

    def test_F1_a_consumer_that_is_killed_goes_on_at_its_checkpoint_and_misses_nothing(self):
        events, handled, target = make_events(self.rng, 200), [], harness.kills(60) // 3
        self.baton(*self.append_file("c0", events))
        while self.killed < target:
            run = self.run_and_kill("tail", "tail", "c0", "--checkpoint", "consumer", "--no-follow", "-n", "30")
            got = [json.loads(line)["data"]["mark"] for line in run.out.splitlines(keepends=True) if line.endswith("\n")]
            # What was printed has been handled: at least once, in order, and the checkpoint is never ahead of it.
            start = int(got[0].strip("#")) if got else 0
            self.check(start <= len(handled), f"{len(handled)} events were handled, and it goes on at {start}")
            self.check(got == [e["data"]["mark"] for e in events[start:start + len(got)]], f"not in order: {got}")
            handled += got[max(0, len(handled) - start):]
            if len(handled) == len(events):
                events += make_events(self.rng, 100, first=len(events))
                self.baton(*self.append_file("c0", events))
            self.check(self.runs < 30 + 4 * target, "too few runs come to their kill")
        self.check_sound()


if __name__ == "__main__":
    harness.main()
