"""Tests of tools/tidy, tools/count-tests and tools/lint: each check is shown a tree that breaks its rule, and one that does not."""
import importlib.machinery
import importlib.util
import io
import contextlib
import pathlib
import shutil
import subprocess
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parent


def load(name):
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(TOOLS / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


tidy = load("tidy")
count = load("count-tests")


class TreeCase(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def findings(self, check):
        return list(check(tidy.Tree(self.root)))

    def expect(self, check, *parts):
        """Exactly one finding, which holds all the parts."""
        found = self.findings(check)
        self.assertEqual(len(found), 1, found)
        for part in parts:
            self.assertIn(part, found[0])


class Includes(TreeCase):
    def test_down_is_fine(self):
        self.write("include/baton/store.h", "#include <string>\n")
        self.write("src/base/bytes.h", "#include <vector>\n")
        self.write("src/log/log.cc", '#include <baton/store.h>\n#include <zstd.h>\n#include "base/bytes.h"\n')
        self.assertEqual(self.findings(tidy.check_includes), [])

    def test_up_is_found(self):
        self.write("src/store/store.h", "")
        self.write("src/log/log.cc", '\n#include "store/store.h"\n')
        self.expect(tidy.check_includes, "src/log/log.cc:2:", "log is below store")

    def test_a_view_cannot_reach_around_the_port(self):
        self.write("src/store/store.h", "")
        self.write("src/view/view.cc", '#include "store/store.h"\n')
        self.expect(tidy.check_includes, "view never includes store")

    def test_only_the_adapter_of_the_port_includes_the_store(self):
        self.write("src/store/store.h", "")
        self.write("src/engine/embedded.cc", '#include "store/store.h"\n')
        self.assertEqual(self.findings(tidy.check_includes), [])
        self.write("src/engine/engine.cc", '#include "store/store.h"\n')
        self.expect(tidy.check_includes, "src/engine/engine.cc:1:")

    def test_kafka_and_gateway_do_not_know_each_other(self):
        self.write("src/kafka/a.h", "")
        self.write("src/gateway/a.h", '#include "kafka/a.h"\n')
        self.expect(tidy.check_includes, "gateway never includes kafka")

    def test_a_cycle_between_files_is_found(self):
        self.write("src/log/a.h", '#include "log/b.h"\n')
        self.write("src/log/b.h", '#include "log/c.h"\n')
        self.write("src/log/c.h", '#include "log/a.h"\n')
        self.expect(tidy.check_includes, "cycle", "src/log/b.h -> src/log/c.h")

    def test_a_diamond_is_no_cycle(self):
        self.write("src/log/a.h", '#include "log/b.h"\n#include "log/c.h"\n')
        self.write("src/log/b.h", '#include "log/d.h"\n')
        self.write("src/log/c.h", '#include "log/d.h"\n')
        self.write("src/log/d.h", "")
        self.assertEqual(self.findings(tidy.check_includes), [])

    def test_a_public_header_includes_no_third_party(self):
        self.write("include/baton/store.h", "#include <boost/json.hpp>\n")
        self.expect(tidy.check_includes, "public header")

    def test_a_directory_that_is_no_layer_is_found(self):
        self.write("src/utils/misc.h", "")
        self.expect(tidy.check_includes, "'utils' is no layer")

    def test_includes_are_written_from_src(self):
        self.write("src/log/a.h", "")
        self.write("src/log/a.cc", '#include "a.h"\n')
        self.expect(tidy.check_includes, '"log/a.h"')


class Calls(TreeCase):
    BAD = ("int f = ::open(p, 0);", "fsync(fd);", "auto t = std::chrono::steady_clock::now();", "std::thread t(f);",
           "std::random_device d;", "int r = std::rand();", "auto* e = std::getenv(n);", "std::ofstream out(p);",
           "std::filesystem::path p;", "::clock_gettime(0, &t);", "void* m = mmap(0, 1, 2, 3, 4, 5);", "::write(1, p, 2);",
           "pthread_create(&t, 0, f, 0);", "#include <fcntl.h>", "#include <sys/mman.h>", "#include <thread>")
    GOOD = ("file.read(p, n);", "file->write(p);", "Result<int> open(Path p);", "segment::open(p);", "// fsync(fd)",
            'char* s = "std::thread";', "env.clock().now();", "std::remove(a, b, c);", "auto r = R\"(mmap(1))\";",
            "std::chrono::milliseconds ms;", "int x = 1'000; /* ::open( */ int y = 2'000;", "bool is_open();")

    def test_calls_of_the_system_are_found(self):
        for line in self.BAD:
            with self.subTest(line):
                self.write("src/log/a.cc", f"// why\n{line}\n")
                self.expect(tidy.check_calls, "src/log/a.cc:2:")

    def test_names_that_look_alike_are_not(self):
        for line in self.GOOD:
            with self.subTest(line):
                self.write("src/log/a.cc", line + "\n")
                self.assertEqual(self.findings(tidy.check_calls), [])

    def test_os_and_tests_may_call(self):
        for path in ("src/os/a.cc", "src/log/a_test.cc", "src/log/a_fuzz.cc", "tests/crash/a.cc"):
            self.write(path, "int r = fsync(1);\n")
        self.assertEqual(self.findings(tidy.check_calls), [])

    def test_the_allow_list_needs_a_reason_and_a_use(self):
        self.write("src/cli/a.cc", "bool t = isatty(1);\n")
        self.write("tools/tidy-allow.txt", "src/cli/a.cc isatty # colours only on a terminal\n")
        self.assertEqual(self.findings(tidy.check_calls), [])
        self.write("tools/tidy-allow.txt", "src/cli/a.cc isatty\n")
        self.expect(tidy.check_calls, "reason")
        self.write("src/cli/a.cc", "\n")
        self.write("tools/tidy-allow.txt", "src/cli/a.cc isatty # colours\n")
        self.expect(tidy.check_calls, "remove the line")


class Compiled(TreeCase):
    def archive(self, source):
        self.write("src/log/a.cc", source)
        self.write("build/src/log/.keep", "")
        subprocess.run(["g++", "-c", "src/log/a.cc", "-o", "build/a.cc.o"], cwd=self.root, check=True)
        subprocess.run(["ar", "crs", "build/src/log/libbaton_log.a", "build/a.cc.o"], cwd=self.root, check=True)
        return list(tidy.check_symbols(tidy.Tree(self.root), self.root / "build"))

    def test_a_system_call_in_an_object_file_is_found(self):
        found = self.archive("extern \"C\" int fdatasync(int);\nint f() { auto g = fdatasync; return g(1); }\n")
        self.assertEqual(len(found), 1, found)
        self.assertIn("src/log/a.cc:1: its object file calls fdatasync", found[0])

    def test_an_object_file_of_plain_code_is_fine(self):
        self.assertEqual(self.archive("#include <string>\nstd::string f() { return std::string(99, 'x'); }\n"), [])

    def test_a_build_without_layers_is_found(self):
        self.assertIn("no layer is built", list(tidy.check_symbols(tidy.Tree(self.root), self.root / "build"))[0])

    def test_a_header_that_needs_another_is_found(self):
        self.write("include/baton/good.h", "#pragma once\n#include <string>\nstd::string f();\n")
        self.assertEqual(self.findings(tidy.check_headers), [])
        self.write("include/baton/bad.h", "#pragma once\nstd::string g();\n")
        self.expect(tidy.check_headers, "include/baton/bad.h:1:")


class Pages(TreeCase):
    def test_a_long_file_is_found(self):
        self.write("src/log/a.cc", "\n" * 500)
        self.assertEqual(self.findings(tidy.check_lengths), [])
        self.write("src/log/a.cc", "\n" * 501)
        self.expect(tidy.check_lengths, "501 lines")

    def test_the_length_of_a_long_file_only_goes_down(self):
        self.write("tools/tidy-lengths.txt", "src/log/a.cc 600\n")
        self.write("src/log/a.cc", "\n" * 600)
        self.assertEqual(self.findings(tidy.check_lengths), [])
        for lines, part in ((601, "600 is the limit"), (550, "lower it to 550"), (400, "remove it")):
            self.write("src/log/a.cc", "\n" * lines)
            self.expect(tidy.check_lengths, part)

    def test_notes_of_what_is_left_are_found(self):
        for word in ("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"):
            self.write("src/log/a.cc", f"// {word}: later\n")
            self.expect(tidy.check_words, word)
        self.write("src/log/a.cc", 'auto name = "baton-XXXXXX";\n')
        self.assertEqual(self.findings(tidy.check_words), [])

    def test_a_guarantee_names_a_test_that_exists(self):
        self.write("src/log/log_test.cc", "TEST(Log, keeps_what_it_acknowledged) {}\nTEST_P(\n    Sim, survives) {}\n")
        self.write("docs/guarantees.md", "G1 `Log.keeps_what_it_acknowledged`, `Sim.survives`\n")
        self.assertEqual(self.findings(tidy.check_guarantees), [])
        self.write("docs/guarantees.md", "\nG1 `Log.keeps_everything`\n")
        self.expect(tidy.check_guarantees, "docs/guarantees.md:2:", "Log.keeps_everything")

    def test_a_guarantee_may_name_a_test_in_python(self):
        self.write("tests/a/log_test.py", "class Other:\n    def test_b(self):\n        pass\nclass Log(Case):\n    def test_it_keeps(self):\n        pass\n")
        self.write("docs/guarantees.md", "G1 `Log.test_it_keeps`\n")
        self.assertEqual(self.findings(tidy.check_guarantees), [])
        self.write("docs/guarantees.md", "G1 `Log.test_b`\n")
        self.expect(tidy.check_guarantees, "docs/guarantees.md:1:", "Log.test_b")

    def test_a_link_leads_somewhere(self):
        self.write("docs/a.md", "[b](b.md#x) [c](https://example.com) [d](#here) `[e](f)` [up](../LICENSE)\n")
        self.write("docs/b.md", "```\n[x](y.md)\n```\n")
        self.write("LICENSE", "")
        self.assertEqual(self.findings(tidy.check_links), [])
        self.write("docs/b.md", "\n[x](y.md)\n")
        self.expect(tidy.check_links, "docs/b.md:2:", "y.md")

    def test_every_package_is_documented(self):
        self.write("tools/install-deps", "libzstd-dev          build  zstd batches\n")
        self.write("docs/dependencies.md", "| `libzstd-dev` | zstd |\n")
        self.assertEqual(self.findings(tidy.check_packages), [])
        self.write("docs/dependencies.md", "| `liblz4-dev` | lz4 |\n")
        self.assertEqual(len(self.findings(tidy.check_packages)), 2)


class Lint(TreeCase):
    def setUp(self):
        super().setUp()
        # What it would run, so that a lint that begins is seen.
        self.write("tools/install-deps", "#!/bin/bash\necho ran\nexit 1\n")
        (self.root / "tools" / "install-deps").chmod(0o755)
        shutil.copy(TOOLS / "lint", self.root / "tools" / "lint")

    def lint(self, *arguments):
        return subprocess.run([self.root / "tools" / "lint", *arguments], capture_output=True, text=True, check=False)

    def test_asked_for_help_it_says_how_it_is_used_and_does_nothing(self):
        for option in ("--help", "-h"):
            done = self.lint(option)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("tools/lint [--fix]", done.stdout)
            self.assertNotIn("ran", done.stdout.split())

    def test_what_it_does_not_know_is_refused(self):
        for arguments in (["--fxi"], ["--fix", "src"]):
            done = self.lint(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("tools/lint [--fix]", done.stderr)

    def test_without_arguments_it_begins(self):
        self.assertEqual(self.lint().stdout, "ran\n")


class CountTests(TreeCase):
    def counted(self, cases, **results):
        self.write("ctest.xml", f"<testsuite>{cases}</testsuite>")
        for name, text in results.items():
            self.write(f"results/{name}.xml", text)
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            status = count.main([self.root])
        return out.getvalue().strip(), status

    PASS = '<testcase name="a" status="run"/>'
    FAIL = '<testcase name="a" status="fail"><failure/></testcase>'
    SUITE = ('<testsuites><testsuite><testcase result="completed"/><testcase result="completed">{}</testcase>'
             '<testcase result="skipped"/></testsuite></testsuites>')

    def test_a_program_counts_with_each_of_its_tests(self):
        self.assertEqual(self.counted(self.PASS, a=self.SUITE.format("")), ("2 passed, 0 failed", 0))
        self.assertEqual(self.counted(self.FAIL, a=self.SUITE.format("<failure/>")), ("1 passed, 1 failed", 1))

    def test_any_other_program_counts_as_one(self):
        self.assertEqual(self.counted(self.PASS), ("1 passed, 0 failed", 0))

    def test_a_bad_end_after_good_tests_is_a_failure(self):
        self.assertEqual(self.counted(self.FAIL, a=self.SUITE.format("")), ("2 passed, 1 failed", 1))
        self.assertEqual(self.counted(self.FAIL, a="<testsuites><"), ("0 passed, 1 failed", 1))

    def test_a_program_that_could_not_start_is_a_failure(self):
        missing = '<testcase name="a" status="notrun"><skipped message="Unable to find executable"/></testcase>'
        self.assertEqual(self.counted(missing), ("0 passed, 1 failed", 1))
        skipped = '<testcase name="b" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/></testcase>'
        self.assertEqual(self.counted(self.PASS + skipped), ("1 passed, 0 failed", 0))

    def test_nothing_that_ran_is_a_failure(self):
        self.assertEqual(self.counted("")[1], 1)


if __name__ == "__main__":
    unittest.main()
