"""What runs printed, and what it amounts to over the rounds."""
import dataclasses
import math
import re

import machines

RESULT = re.compile(r"^(\S+) (\d+) (\d+\.\d+) ([0-9a-f]{16})$")
OTHER = re.compile(r"^(\S+) (skipped|unstable)$")
MARK = re.compile(r"^bench:(begin|end) (\d+) (\S+)$")
MAX_CLOCK_ERROR = 0.03


@dataclasses.dataclass
class Row:
    """One workload on one machine: nanoseconds of an iteration, one value a round."""
    times: list = dataclasses.field(default_factory=list)
    iterations: list = dataclasses.field(default_factory=list)
    checksum: str = ""


class Results:
    def __init__(self):
        self.rows = {}  # machine -> workload -> Row
        self.failures = []
        self.kernels = {}  # machine -> its kernel's release
        self.clock_errors = {}  # machine -> share by which its clock was off, one value a round

    def times(self, machine, name):
        row = self.rows.get(machine, {}).get(name)
        return row.times if row else []

    def fail(self, machine, text):
        self.failures.append(f"{machine}: {text}")

    def add(self, machine, name, time, iterations, checksum):
        row = self.rows.setdefault(machine, {}).setdefault(name, Row())
        if row.checksum and row.checksum != checksum:
            self.fail(machine, f"{name}: checksum {checksum}, {row.checksum} in an earlier round")
        row.times.append(time)
        row.iterations.append(iterations)
        row.checksum = checksum
        native = self.rows.get("native", {}).get(name)
        if native and native.checksum != checksum:
            self.fail(machine, f"{name}: checksum {checksum}, natively {native.checksum}")

    def add_workloads(self, machine, session, wanted):
        """Takes the results between the marks."""
        marks, seen = {}, set()
        for arrival, text in session.lines:
            if mark := MARK.match(text):
                marks[mark[1]] = (arrival, int(mark[2]) / 1e9)
                self.kernels[machine] = mark[3]
            elif "begin" in marks and "end" not in marks:
                seen |= self.add_line(machine, text)
        if missing := [name for name in wanted if name not in seen]:
            self.fail(machine, f"no result of {', '.join(missing)}, {session.ending()}")
        elif session.status != 0:
            self.fail(machine, session.ending())
        if len(marks) == 2:
            self.check_clock(machine, *marks["begin"], *marks["end"])

    def add_line(self, machine, text):
        if found := RESULT.match(text):
            self.add(machine, found[1], float(found[3]), int(found[2]), found[4])
            return {found[1]}
        if found := OTHER.match(text):
            if found[2] == "unstable":
                self.fail(machine, f"{found[1]}: two iterations had different checksums")
            return {found[1]}
        return set()

    def check_clock(self, machine, begin, guest_begin, end, guest_end):
        """A guest whose clock is wrong measures nothing."""
        error = (guest_end - guest_begin) / (end - begin) - 1
        self.clock_errors.setdefault(machine, []).append(error)
        # Over a short time the delay of a line counts too.
        if abs(error) * (end - begin) > max(MAX_CLOCK_ERROR * (end - begin), 0.1):
            self.fail(machine, f"its clock was off by {error:+.1%} over {end - begin:.1f} s")

    def add_boot(self, machine, session):
        arrivals = [arrival for arrival, text in session.lines if text == machines.SHELL_MARK]
        if not arrivals:
            return self.fail(machine, f"no shell, {session.ending()}")
        if session.status != 0:
            self.fail(machine, session.ending())
        for name, seconds in (("to-shell", arrivals[0]), ("to-power-off", session.seconds)):
            self.rows.setdefault(machine, {}).setdefault(name, Row()).times.append(seconds * 1e9)


@dataclasses.dataclass
class Ratio:
    """How many times a exceeds b: of the best values, and the least and the largest of any round."""
    value: float
    least: float
    most: float


def ratio(a, b):
    if not a or not b:
        return None
    rounds = [x / y for x, y in zip(a, b)]
    return Ratio(min(a) / min(b), min(rounds), max(rounds))


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None
