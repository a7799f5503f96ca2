#!/usr/bin/env python3
"""What the program prints, and that nothing is missing from it without a sign: output_test.py BATON."""
import json
import re
import subprocess
import unittest

from program import BATON, MAP, VIEWS, Program


class Printed(Program):
    def load_views(self, text=VIEWS, *more, **options):
        (self.directory / "views.yaml").write_text(text)
        return self.run_baton("view", "load", str(self.directory / "views.yaml"), *more, **options)

    def test_a_table_is_whole_on_a_narrow_terminal(self):
        self.append()
        self.load_views()
        for length in (300, 400_000):
            sql = f"SELECT sku, printf('%.*c', {length}, 'x') AS long, n FROM total"
            told = self.on_a_terminal("view", "query", "totals", sql)
            self.assertEqual([line.split() for line in told.splitlines()], [["sku", "long", "n"], ["a", "x" * length, "2"]])
            self.assertEqual(told, self.run_baton("view", "query", "totals", sql).stdout)

    def test_a_long_cell_makes_its_own_line_longer_and_no_other(self):
        self.append()
        self.load_views()
        told = self.run_baton("view", "query", "totals", "SELECT printf('%.*c', 5000, 'x') AS long, 1 AS n UNION ALL SELECT 'y', 2").stdout
        self.assertEqual(told.splitlines(), ["long  n", "x" * 5000 + "  1", "y     2"])

    def test_columns_stand_below_each_other_whatever_the_script(self):
        self.append()
        self.load_views()
        told = self.run_baton("view", "query", "totals", "SELECT 'Zürich' AS city, 'x' AS n UNION ALL SELECT '東京', 'y' UNION ALL SELECT '🙂', 'z'").stdout
        self.assertEqual(told.splitlines(), ["city    n", "Zürich  x", "東京    y", "🙂      z"])

    def test_the_line_that_is_named_is_that_of_the_file(self):
        lines = '{"stream":"n","type":"T"}\n\n \n\n{"stream":"n"}\n'
        self.assertIn("-: line 5: ", self.run_baton("append", "shop", "--ndjson", "-", text=lines, expect=2).stderr)

    def test_a_new_checkpoint_begins_where_it_is_told_and_one_that_is_there_goes_on(self):
        for n in range(3):
            self.append(data=json.dumps({"n": n}))
        first = self.lines("read", "cart-1")[0]["position"]

        def tail(name, *more, expect=0):
            return [event["data"]["n"] for event in self.lines("tail", "--no-follow", "--checkpoint", name, *more, expect=expect)]
        self.assertEqual(tail("all"), [0, 1, 2])
        self.assertEqual(tail("later", "--from", first, "-n", "1"), [1])
        self.assertEqual(tail("new", "--from", "end"), [])
        self.append(data='{"n":3}')
        self.assertEqual((tail("all"), tail("later"), tail("new")), ([3], [2, 3], [3]))
        refused = self.run_baton("tail", "--no-follow", "--checkpoint", "new", "--from", "beginning", expect=2).stderr
        self.assertIn("checkpoint 'new' is there and says where to go on: leave out --from", refused)

    def test_streams_that_are_not_listed_are_told_of(self):
        events = "".join(json.dumps({"stream": f"cart-{n}", "type": "T"}) + "\n" for n in range(101))
        self.run_baton("append", "shop", "--ndjson", "-", text=events)
        for json_too in ([], ["--json"]):
            some = self.run_baton(*json_too, "streams")
            self.assertEqual((len([line for line in some.stdout.splitlines() if "cart-" in line]), "there are more streams; raise --limit" in some.stderr), (100, True))
            for whole in (["--limit", "101"], ["--limit", "5000"], ["--prefix", "cart-10"]):
                self.assertEqual(self.run_baton(*json_too, "streams", *whole).stderr, "")

    def test_a_stream_that_is_deleted_not_there_yet_or_read_behind_its_end_is_told_apart(self):
        self.append("cart-0")
        early = self.lines("read", "cart-0")[0]["position"]
        self.append("cart-1")
        self.append("cart-1")
        late = self.lines("read", "cart-1")[1]["position"]

        def refused(*arguments):
            done = self.run_baton("--json", "read", *arguments, expect=5)
            problem = json.loads(done.stderr)
            self.assertEqual((done.stdout, problem["error"]), ("", "not_found"))
            return problem["detail"]
        self.assertIn("stream 'cart-1' in context 'shop' did not exist yet at that moment", refused("cart-1", "--as-of-position", early))
        self.assertIn("no stream 'cart-2' in context 'shop'; 'baton streams'", refused("cart-2", "--as-of-position", early))
        self.assertEqual(self.lines("read", "cart-1", "--from", "7"), [])
        self.run_baton("truncate", "cart-1", "--before", "1")
        self.assertEqual(([e["version"] for e in self.lines("read", "cart-1")], self.lines("read", "cart-1", "--from", "2")), ([1], []))
        self.run_baton("delete", "cart-1")
        for more in ([], ["--from", "1"], ["--backward"]):
            self.assertIn("stream 'cart-1' in context 'shop' was deleted; its last event, version 1,", refused("cart-1", *more))
        self.assertEqual([e["version"] for e in self.lines("read", "cart-1", "--as-of-position", late)], [0, 1])

    def test_a_closed_standard_input_is_not_an_empty_one(self):
        (self.directory / "map.yaml").write_text(MAP)
        for command, closed in (("append shop --ndjson -", 1), (f"import - --map {self.directory}/map.yaml", 1)):
            done = subprocess.run(["sh", "-c", f"{BATON} --data {self.data} {command} <&-"], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (closed, ""), done.stderr)
            self.assertIn("standard input", done.stderr)
        self.assertFalse(self.data.exists())
        self.assertIn("0 events appended", self.run_baton("append", "shop", "--ndjson", "-", text="").stdout)

    def test_a_reject_file_is_a_file(self):
        (self.directory / "map.yaml").write_text(MAP)
        rows = self.directory / "rows.csv"
        rows.write_text("order,at\nx,2026-01-01T00:00:00Z\n")
        refused = self.run_baton("import", str(rows), "--map", str(self.directory / "map.yaml"), "--rejects", "-", expect=2)
        self.assertIn("--rejects takes a file", refused.stderr)
        self.assertFalse(self.data.exists())

    def test_a_definition_that_was_loaded_and_is_not_in_force_is_told(self):
        self.append()
        self.load_views()
        changed = VIEWS.replace("n + excluded.n", "n + 2 * excluded.n")
        other = VIEWS.replace("views:\n", "").replace("totals", "others")
        for more in ([], ["--no-update"]):
            done = self.load_views(changed + other, *more, expect=4)
            self.assertIn("incompatible: the old definition goes on", done.stderr)
            self.assertIn("until: baton view rebuild totals\n", done.stderr)
        self.assertEqual(self.lines("view", "query", "others", "SELECT n FROM total"), [{"n": 2}])  # which was loaded all the same
        self.run_baton("view", "rebuild", "totals")
        self.load_views(changed + other)
        self.run_baton("view", "rollback", "totals")
        self.load_views(changed + other, expect=4)

    def test_a_damaged_view_is_named_and_the_advice_works(self):
        self.append()
        self.load_views()
        file = self.data / "views" / "totals" / "g000001.sqlite"
        for beside in file.parent.glob(file.name + "-*"):
            beside.unlink()
        for damage in (b"no database " * 1000, b""):
            file.write_bytes(damage)
            for command in (["query", "totals", "SELECT 1"], ["update"], ["rebuild", "totals"], ["load", str(self.directory / "views.yaml")]):
                detail = json.loads(self.run_baton("--json", "view", *command, expect=7).stderr)["detail"]
                self.assertRegex(detail, f"view 'totals': {file} is damaged .*: run baton view drop totals, and load its view file again")
            (listed,) = self.lines("view", "list")
            self.assertIn(f"{file} is damaged", listed["detail"])
            self.run_baton("view", "drop", "totals")
            self.load_views()
            self.assertEqual(self.lines("view", "query", "totals", "SELECT n FROM total"), [{"n": 2}])

    def test_the_help_of_every_command_has_the_exit_codes(self):
        told = self.run_baton("--help").stdout
        codes = told[told.index("Exit codes: 0 done"):].strip()
        commands = re.findall(r"^  ([a-z-]+) {2,}", told[told.index("Subcommands:"):], re.MULTILINE)
        self.assertIn("consume", commands)
        for command in [[name] for name in commands] + [["view", "load"]]:
            self.assertIn(codes, self.run_baton(*command, "--help").stdout, command)


if __name__ == "__main__":
    unittest.main()
