"""A disk that becomes full under `baton serve`: what clients, operators and load balancers are told, and that it goes on when there is room."""
import os
import sys
from pathlib import Path

from api import HttpCase, main

SHIM = Path(sys.argv.pop()).resolve()


class FullDisk(HttpCase):
    def test_a_full_disk_refuses_appends_is_told_and_is_over_when_there_is_room(self):
        mark = self.directory / "full"
        server = self.begin(environment=os.environ | {"LD_PRELOAD": str(SHIM), "FULL_DISK": str(mark)})
        api = server.api
        appended = 0

        def append():
            return api.append("rides", "bike-1", "Rode", {"text": "x" * 900})

        def lines(text):
            return [line for line in server.log if text in line]

        self.check(api.ask("PUT", "/contexts/rides", {}), 201)
        self.check(append(), 201)
        self.check(api.get("/ready"), 200)
        mark.touch()
        ready = self.check(api.get("/ready"), 503).json
        self.assertEqual(ready["code"], "no_space")
        self.assertIn("make room, and appends go on", ready["detail"])
        for _ in range(10_000):  # what the segment has allocated is still taken
            answer = append()
            if answer.status != 200:
                break
            appended += 1
        self.assertEqual(self.check(answer, 507).json["code"], "no_space")
        self.check(append(), 507)
        self.wait_for("a line in the log", lambda: lines("appends are refused: "))
        self.assertEqual(len(lines("appends are refused: ")), 1)
        self.assertEqual(self.check(api.get("/streams/rides/bike-1?limit=1"), 200).json["events"][0]["batonversion"], 0)
        self.check(api.get("/health"), 200)
        mark.unlink()
        self.check(append(), 200)
        self.check(api.get("/ready"), 200)
        self.wait_for("a line in the log", lambda: lines("there is room on the disk again: 2 batches were refused"))
        server.signal(15)
        self.assertEqual(server.end()[0], 0)
        server = self.begin()
        self.assertEqual(self.check(server.api.get("/streams/rides/bike-1?backward=true&limit=1"), 200).json["events"][0]["batonversion"], appended + 1)


if __name__ == "__main__":
    main("__main__")
