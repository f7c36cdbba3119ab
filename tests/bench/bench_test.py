#!/usr/bin/env python3
"""The parts of tools/bench that judge: results and their failures, ratios, tables, the initramfs. Starts no guest.

  bench_test.py FOLDER_OF_BENCH
"""
import gzip
import math
import pathlib
import subprocess
import sys
import tempfile
import unittest

FOLDER = pathlib.Path(sys.argv.pop(1)).resolve()
sys.path.insert(0, str(FOLDER))

import initramfs  # noqa: E402
import report  # noqa: E402
import results  # noqa: E402
import session  # noqa: E402

SUM = "00000000000000aa"


def console(*lines, status=0, seconds=2.0):
    """A run whose guest says that it took as long as it did."""
    text = ["Linux version 6.1", "fib 9 9.00 00000000000000ff", "bench:begin 1000000000 6.1-test", *lines]
    stamped = [(1.0, line) for line in text] + [(3.0, f"bench:end {int(1e9 + seconds * 1e9)} 6.1-test")]
    return session.Session(status, stamped, "", 3.5)


def gathered(*runs, wanted=("fib",)):
    r = results.Results()
    for machine, run in runs:
        r.add_workloads(machine, run, list(wanted))
    return r


class Lines(unittest.TestCase):
    def test_takes_what_is_between_the_marks(self):
        r = gathered(("tcg", console(f"fib 100 12.50 {SUM}", "a line of the kernel")))
        self.assertEqual(r.failures, [])
        self.assertEqual(r.times("tcg", "fib"), [12.5])
        self.assertEqual(r.rows["tcg"]["fib"].iterations, [100])
        self.assertEqual(r.kernels, {"tcg": "6.1-test"})

    def test_what_is_skipped_is_no_failure(self):
        r = gathered(("tcg", console("fib skipped")))
        self.assertEqual((r.failures, r.times("tcg", "fib")), ([], []))


class Failures(unittest.TestCase):
    def expect(self, words, *runs, wanted=("fib",)):
        r = gathered(*runs, wanted=wanted)
        self.assertEqual(len(r.failures), 1, r.failures)
        for word in words:
            self.assertIn(word, r.failures[0])

    def test_checksum_is_not_the_native_one(self):
        self.expect(["tcg", "fib", "00000000000000ab", SUM, "natively"],
                    ("native", console(f"fib 1 1.00 {SUM}")), ("tcg", console("fib 1 1.00 00000000000000ab")))

    def test_checksum_changes_between_rounds(self):
        self.expect(["tcg", "fib", "earlier"],
                    ("tcg", console(f"fib 1 1.00 {SUM}")), ("tcg", console("fib 1 1.00 00000000000000ab")))

    def test_result_is_missing(self):
        self.expect(["tcg", "sort"], ("tcg", console(f"fib 1 1.00 {SUM}")), wanted=("fib", "sort"))

    def test_iterations_differ(self):
        self.expect(["fib", "two iterations"], ("tcg", console("fib unstable")))

    def test_status(self):
        self.expect(["status 33"], ("tcg", console(f"fib 1 1.00 {SUM}", status=33)))

    def test_time_limit(self):
        self.expect(["time limit"], ("tcg", console(f"fib 1 1.00 {SUM}", status=None)))

    def test_clock_is_slow(self):
        self.expect(["clock", "-25.0%"], ("tcg", console(f"fib 1 1.00 {SUM}", seconds=1.5)))


class Numbers(unittest.TestCase):
    def test_ratio_is_of_the_best_with_the_spread_of_rounds(self):
        ratio = results.ratio([10.0, 30.0], [5.0, 2.0])
        self.assertEqual((ratio.value, ratio.least, ratio.most), (5.0, 2.0, 15.0))

    def test_ratio_to_nothing(self):
        self.assertIsNone(results.ratio([1.0], []))

    def test_geometric_mean(self):
        self.assertTrue(math.isclose(results.geometric_mean([2.0, 8.0]), 4.0))
        self.assertIsNone(results.geometric_mean([]))

    def test_times_have_units_and_three_digits(self):
        self.assertEqual(report.time_text([1234.0, 5678.0]), "1.23..5.68 us")
        self.assertEqual(report.time_text([2.5e9]), "2.50..2.50 s")
        self.assertEqual(report.time_text([]), "-")
        self.assertEqual([report.digits(v) for v in (9.949, 9.951, 99.6, 1234.5)], ["9.95", "10.0", "100", "1234"])

    def test_means_are_by_class(self):
        r = gathered(("native", console(f"fib 1 1.00 {SUM}")), ("tcg", console(f"fib 1 8.00 {SUM}")),
                     ("interp", console(f"fib 1 4.00 {SUM}")))
        self.assertEqual(list(report.means(r, "interp", {"fib": "control"}))[1:],
                         [["control", "1", "2.00", "4.00", "8.00"], ["all", "1 (boot apart)", "2.00", "4.00", "8.00"]])


class Boot(unittest.TestCase):
    def test_first_command_and_end(self):
        r = results.Results()
        r.add_boot("tcg", session.Session(0, [(1.5, "run=echo bench:shell"), (2.0, "bench:shell")], "", 2.25))
        self.assertEqual((r.times("tcg", "to-shell"), r.times("tcg", "to-power-off")), ([2e9], [2.25e9]))
        self.assertEqual(r.failures, [])

    def test_no_shell(self):
        r = results.Results()
        r.add_boot("tcg", session.Session(0, [(2.0, "panic")], "", 2.25))
        self.assertIn("panic", r.failures[0])


class Runs(unittest.TestCase):
    def test_lines_errors_and_status(self):
        run = session.run(["sh", "-c", "echo one; echo two >&2; exit 3"], 60)
        self.assertEqual((run.status, [text for _, text in run.lines], run.errors), (3, ["one"], "two\n"))

    def test_time_limit_ends_it(self):
        self.assertIsNone(session.run(["sleep", "600"], 0.1).status)


class Initramfs(unittest.TestCase):
    def test_second_archive_holds_the_program(self):
        with tempfile.TemporaryDirectory() as scratch:
            first, program, both = (pathlib.Path(scratch) / n for n in ("first", "program", "both"))
            first.write_bytes(b"first")
            program.write_bytes(b"a program")
            initramfs.with_program(first, program, both)
            data = both.read_bytes()
            self.assertEqual(data[:8], b"first\0\0\0")
            archive = gzip.decompress(data[8:])
            subprocess.run(["cpio", "--quiet", "-id"], input=archive, cwd=scratch, check=True)
            unpacked = pathlib.Path(scratch) / "bench/workloads"
            self.assertEqual(unpacked.read_bytes(), b"a program")
            self.assertTrue(unpacked.stat().st_mode & 0o100)


if __name__ == "__main__":
    unittest.main()
