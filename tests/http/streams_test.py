"""Streams over HTTP, against a process of `baton serve`: appends, conditions, pages, snapshots."""
import base64
import gzip
import json
import threading

from api import BATCH, CLOUD_EVENT, HttpCase, main


class Streams(HttpCase):
    def setUp(self):
        super().setUp()
        self.server = self.begin()
        self.ask = self.server.api.ask

    def test_an_event_is_appended_and_read_back(self):
        done = self.check(self.server.api.append("rides", "ride-1", "RideStarted", {"bike": 7}, "&tag=bike:7"), 201)
        self.assertEqual(done.headers["ETag"], '"0"')
        page = self.check(self.server.api.get("/streams/rides/ride-1"), 200)
        self.assertEqual(page.headers["ETag"], '"0"')
        event = page.json["events"][0]
        self.assertEqual((event["type"], event["data"], event["batonversion"], event["partitionkey"], event["batontags"]),
                         ("RideStarted", {"bike": 7}, 0, "ride-1", "bike:7"))
        self.assertEqual(event["batonposition"], done.json["position"])

    def test_conditions_hold_or_nothing_is_appended(self):
        append = self.server.api.append
        self.check(append("rides", "ride-1", "A", {}, If_Match="*"), 412)
        self.check(append("rides", "ride-1", "A", {}, If_None_Match="*"), 201)
        self.check(append("rides", "ride-1", "A", {}, If_None_Match="*"), 412)
        self.check(append("rides", "ride-1", "B", {}, If_Match='"0"'), 200)
        lost = self.check(append("rides", "ride-1", "B", {}, If_Match='"0"'), 412)
        self.assertEqual(lost.json["code"], "wrong_version")
        self.assertIn("expected version 0, found version 1", lost.json["detail"])
        self.check(append("rides", "ride-1", "B", {}, Baton_Expected_Version="1"), 200)
        self.check(append("rides", "ride-1", "B", {}, Baton_Expected_Version="no-stream"), 412)
        self.check(append("rides", "ride-1", "B", {}, If_Match="0"), 400)
        self.check(append("rides", "ride-1", "B", {}, If_Match='"2"', If_None_Match="*"), 400)
        self.assertEqual(self.server.api.get("/streams/rides/ride-1").json["last_version"], 2)

    def test_one_of_many_writers_with_the_same_condition_wins(self):
        self.server.api.append("rides", "ride-1", "A", {})
        statuses = []

        def write():
            api = self.api(self.server)
            statuses.append(api.append("rides", "ride-1", "B", {}, If_Match='"0"').status)
        threads = [threading.Thread(target=write) for _ in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(statuses), [200] + [412] * 15)

    def test_the_same_id_again_adds_nothing_and_another_content_is_refused(self):
        first = self.server.api.append("rides", "ride-1", "A", {"n": 1}, "&id=x").json
        again = self.check(self.server.api.append("rides", "ride-1", "A", {"n": 1}, "&id=x"), 200).json
        self.assertEqual((again["position"], again["events"][0]["duplicate"]), (first["position"], True))
        self.assertEqual(self.check(self.server.api.append("rides", "ride-1", "A", {"n": 2}, "&id=x"), 409).json["code"], "duplicate_mismatch")

    def test_cloud_events_come_in_three_modes(self):
        def event(n, **more):
            return {"specversion": "1.0", "id": str(n), "source": "/t", "type": "T", "data": {"n": n}} | more
        self.check(self.ask("POST", "/streams/c/s-1", event(0), Content_Type=CLOUD_EVENT), 201)
        self.check(self.ask("POST", "/streams/c/s-1", [event(1), event(2)], Content_Type=BATCH), 200)
        self.check(self.ask("POST", "/streams/c/s-1", b"\x00\xff", Content_Type="application/octet-stream",
                            ce_specversion="1.0", ce_id="3", ce_source="/t", ce_type="T", ce_subject="a%20b"), 200)
        page = self.server.api.get("/streams/c/s-1", Accept=BATCH)
        self.assertEqual(page.headers["Content-Type"], BATCH)
        events = page.json
        self.assertEqual([e["id"] for e in events], ["0", "1", "2", "3"])
        self.assertEqual([e["data"] for e in events[:3]], [{"n": 0}, {"n": 1}, {"n": 2}])
        self.assertEqual((base64.b64decode(events[3]["data_base64"]), events[3]["subject"]), (b"\x00\xff", "a b"))
        # What was read can be appended elsewhere as it is.
        self.check(self.ask("POST", "/contexts/copy/events", events, Content_Type=BATCH), 200)
        copy = self.server.api.get("/streams/copy/s-1", Accept=BATCH).json
        self.assertEqual([(e["id"], e.get("data"), e["time"]) for e in copy], [(e["id"], e.get("data"), e["time"]) for e in events])

    def test_events_that_are_wrong_are_refused_by_name_and_nothing_is_kept(self):
        good = {"specversion": "1.0", "id": "1", "source": "/t", "type": "T"}
        for wrong, what in [({"specversion": "2"}, "specversion"), ({"type": ""}, "type"), ({"colour": "red"}, "colour"),
                            ({"time": "yesterday"}, "time"), ({"partitionkey": "other"}, "partitionkey"), ({"data": "x", "data_base64": "eA=="}, "data")]:
            refused = self.check(self.ask("POST", "/streams/c/s-1", [good, good | {"id": "2"} | wrong], Content_Type=BATCH), 400)
            self.assertIn(what, refused.json["detail"])
        self.check(self.ask("POST", "/streams/c/s-1", "{", Content_Type=CLOUD_EVENT), 400)
        self.check(self.ask("POST", "/streams/c/s-1?type=T", "{"), 400)
        self.check(self.ask("POST", "/streams/c/s-1", "{}"), 400)
        self.check(self.ask("POST", "/streams/C!/s-1?type=T", "{}"), 400)
        self.check(self.ask("POST", f"/streams/c/{'x' * 256}?type=T", "{}"), 413)
        self.check(self.ask("POST", "/streams/c/s-1?type=T", json.dumps("x" * 2000)), 413)
        self.check(self.server.api.get("/streams/c/s-1"), 404)

    def test_what_could_be_taken_in_two_ways_is_not_taken(self):
        twice = self.check(self.ask("POST", "/streams/c/s-1?type=T&type=U", "{}"), 400)
        self.assertIn("'type' is there more than once", twice.json["detail"])
        packed = self.check(self.ask("POST", "/streams/c/s-1?type=T", gzip.compress(b"{}"), Content_Encoding="gzip"), 415)
        self.assertIn("Content-Encoding", packed.json["detail"])
        self.check(self.server.api.get("/contexts/c"), 404)
        self.check(self.ask("POST", "/streams/c/s-1?type=T&tag=a:1&tag=b:2", "{}", Content_Encoding="identity"), 201)
        self.check(self.server.api.get("/streams/c/s-1?limit=1&limit=2"), 400)

    def test_pages_go_both_ways_and_into_the_past(self):
        for n in range(5):
            last = self.server.api.append("c", "s", "T", {"n": n}).json
        def numbers(query):
            return [e["data"]["n"] for e in self.check(self.server.api.get("/streams/c/s?" + query), 200).json["events"]]
        self.assertEqual(numbers("limit=2"), [0, 1])
        self.assertEqual(self.server.api.get("/streams/c/s?limit=2").headers["Baton-Next-Version"], "2")
        self.assertEqual(numbers("from=2&limit=2"), [2, 3])
        self.assertEqual(numbers("backward=true&limit=2"), [4, 3])
        self.assertEqual(numbers("backward&from=1"), [1, 0])
        positions = [e["batonposition"] for e in self.server.api.get("/streams/c/s").json["events"]]
        self.assertEqual(numbers("as_of_position=" + positions[2]), [0, 1, 2])
        self.assertEqual(last["position"], positions[4])
        for query in ["limit=0", "limit=x", "from=-1", "backward=maybe", "fro=1", "as_of_recorded=then"]:
            self.check(self.server.api.get("/streams/c/s?" + query), 400)
        self.check(self.server.api.get("/streams/c/s?as_of_position=p1.0123456789abcdef.1.0"), 410)

    def test_a_page_of_large_events_is_bounded_in_bytes_and_the_next_one_goes_on(self):
        self.check(self.ask("PUT", "/contexts/large", {"data_bytes_max": 1 << 20}), 201)
        for n in range(12):
            self.check(self.server.api.append("large", "s", "T", {"n": n, "text": "x" * 900_000}), 201 if n == 0 else 200)
        for backward in ("", "&backward=true"):
            numbers, version = [], ""
            while version is not None:
                answer = self.check(self.server.api.get(f"/streams/large/s?limit=10000{backward}{version}"), 200)
                self.assertLess(len(answer.body), 6 << 20)
                numbers += [e["data"]["n"] for e in answer.json["events"]]
                following = answer.json.get("next_version")
                version = None if following is None else f"&from={following}"
            self.assertEqual(numbers, list(range(12)) if not backward else list(range(11, -1, -1)))
        numbers, after = [], ""
        while True:
            page = self.check(self.server.api.get("/contexts/large/events?limit=10000" + after), 200).json
            numbers += [e["data"]["n"] for e in page["events"]]
            if page["at_end"]:
                break
            after = "&after=" + page["next"]
        self.assertEqual(numbers, list(range(12)))
        # An aggregate, too: the rest of its events is read as pages.
        self.check(self.ask("PUT", "/streams/large/s/snapshot?version=1", {"n": 1}), 204)
        loaded = self.check(self.server.api.get("/streams/large/s/aggregate"), 200)
        self.assertLess(len(loaded.body), 6 << 20)
        numbers, following = [e["data"]["n"] for e in loaded.json["events"]], loaded.json["next_version"]
        self.assertEqual((loaded.json["version"], loaded.json["snapshot_due"]), (11, True))
        while following is not None:
            page = self.check(self.server.api.get(f"/streams/large/s?from={following}&limit=10000"), 200).json
            numbers, following = numbers + [e["data"]["n"] for e in page["events"]], page.get("next_version")
        self.assertEqual(numbers, list(range(2, 12)))

    def test_a_stream_that_has_not_changed_is_not_sent_again(self):
        self.server.api.append("c", "s", "T", {})
        unchanged = self.server.api.get("/streams/c/s", If_None_Match='"0"')
        self.assertEqual((unchanged.status, unchanged.body), (304, b""))
        for same in ['"7", "0"', 'W/"0"', "*", '"7",W/"0" ,"8"']:
            self.assertEqual(self.server.api.get("/streams/c/s", If_None_Match=same).status, 304, same)
        for other in ['"7"', "0", '"0', '"00"']:
            self.assertEqual(self.server.api.get("/streams/c/s", If_None_Match=other).status, 200, other)
        self.server.api.append("c", "s", "T", {})
        self.check(self.server.api.get("/streams/c/s", If_None_Match='"0"'), 200)

    def test_streams_are_truncated_and_deleted_and_their_versions_go_on(self):
        for n in range(4):
            self.server.api.append("c", "s%2F1", "T", {"n": n})
        self.check(self.ask("POST", "/streams/c/s%2F1/truncate?before=2"), 200)
        self.assertEqual([e["batonversion"] for e in self.server.api.get("/streams/c/s%2F1").json["events"]], [2, 3])
        self.check(self.ask("DELETE", "/streams/c/s%2F1", If_Match='"1"'), 412)
        self.check(self.ask("DELETE", "/streams/c/s%2F1", If_Match='"3"'), 200)
        self.assertIn("deleted", self.check(self.server.api.get("/streams/c/s%2F1"), 404).json["type"])
        self.assertEqual(self.server.api.append("c", "s%2F1", "T", {}, If_None_Match="*").json["events"][0]["version"], 4)
        self.assertEqual(self.server.api.get("/streams/c").json["streams"], [{"stream": "s/1", "last_version": 4}])

    def test_a_deleted_aggregate_is_gone_and_can_be_begun_again(self):
        self.check(self.server.api.append("c", "a", "T", {}), 201)
        self.check(self.ask("DELETE", "/streams/c/a"), 200)
        gone = self.check(self.server.api.get("/streams/c/a/aggregate"), 404)
        self.assertEqual(gone.json["type"], "/problems/stream-deleted")
        self.check(self.server.api.append("c", "a", "T", {}, If_None_Match="*"), 200)
        self.assertEqual(self.check(self.server.api.get("/streams/c/a/aggregate"), 200).json["version"], 1)

    def test_snapshots_shorten_the_way_to_a_state(self):
        for n in range(4):
            self.server.api.append("c", "s", "T", {"n": n})
        self.check(self.server.api.get("/streams/c/s/snapshot"), 404)
        self.check(self.ask("PUT", "/streams/c/s/snapshot?version=2&shape=1", {"sum": 3}), 204)
        snapshot = self.check(self.server.api.get("/streams/c/s/snapshot?shape=1"), 200)
        self.assertEqual((snapshot.json, snapshot.headers["ETag"]), ({"sum": 3}, '"2"'))
        self.check(self.server.api.get("/streams/c/s/snapshot?shape=2"), 404)
        loaded = self.check(self.server.api.get("/streams/c/s/aggregate?shape=1&snapshot_every=1"), 200).json
        self.assertEqual((loaded["snapshot"]["state"], loaded["version"], loaded["snapshot_due"], [e["data"]["n"] for e in loaded["events"]]),
                         ({"sum": 3}, 3, True, [3]))
        self.check(self.ask("PUT", "/streams/c/s/snapshot?version=9", b""), 400)


if __name__ == "__main__":
    main("__main__")
