#!/usr/bin/env python3
"""Runs tools/check and the meson tests of build folders, and counts their cases.

    run_tests.py BUILD [options of meson test] [--then BUILD [options]]...

A GoogleTest program counts by its cases, anything else counts one. Output of what fails is shown.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add_program(self, ok):
        if ok:
            self.passed += 1
        else:
            self.failed += 1

    def add_report(self, path):
        for case in xml.parse(path).getroot().iter("testcase"):
            if case.find("failure") is not None:
                self.failed += 1
            elif case.get("result") == "skipped" or case.get("status") == "notrun":
                self.skipped += 1
                print(f"skipped: {case.get('classname')}.{case.get('name')}: {reason(case)}")
            else:
                self.passed += 1


def reason(case):
    skipped = case.find("skipped")
    return (skipped.get("message") or "").strip().splitlines()[-1] if skipped is not None else "not run"


def check(count):
    done = subprocess.run([ROOT / "tools/check"], capture_output=True, text=True)
    print(done.stdout, done.stderr, sep="", end="")
    count.add_program(done.returncode == 0)


def run(build, options, count):
    reports = build / "test-reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir()
    # A trailing slash: GoogleTest names each file after its program.
    environment = {**os.environ, "GTEST_OUTPUT": f"xml:{reports}/", "GTEST_COLOR": "no"}
    for display in ("DISPLAY", "WAYLAND_DISPLAY"):  # guests of tests open no windows there; tests of the window have a screen of their own
        environment.pop(display, None)
    log = build / "meson-logs/testlog.json"
    log.unlink(missing_ok=True)
    subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs", *options], env=environment)
    counted = set()
    for line in log.read_text().splitlines():
        count_one(json.loads(line), reports, counted, count)


def count_one(result, reports, counted, count):
    program = pathlib.Path(result["command"][0])
    report = reports / f"{program.stem}.xml"
    ok = result["result"] in ("OK", "EXPECTEDFAIL")
    if result["result"] == "SKIP":
        count.skipped += 1
        print(f"skipped: {result['name']}: {result.get('stdout', '').strip()}")
    elif report.exists() and report not in counted:
        counted.add(report)
        before = count.failed
        count.add_report(report)
        if not ok and count.failed == before:  # died outside of its cases
            count.failed += 1
    else:
        count.add_program(ok)


def runs(arguments):
    group = []
    for argument in [*arguments, "--then"]:
        if argument != "--then":
            group.append(argument)
            continue
        yield pathlib.Path(group[0]), group[1:]
        group = []


def main():
    count = Count()
    check(count)
    for build, options in runs(sys.argv[1:]):
        run(build, options, count)
    print(f"{count.passed} passed, {count.failed} failed, {count.skipped} skipped")
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
