"""One run of a program whose output lines are stamped with the time of their arrival."""
import dataclasses
import subprocess
import threading
import time


@dataclasses.dataclass
class Session:
    status: int  # None: ended at its time limit
    lines: list  # (seconds since the start, text)
    errors: str
    seconds: float

    def ending(self, count=5):
        """How it ended, for a message."""
        how = "time limit reached" if self.status is None else f"status {self.status}"
        return "\n".join([f"{how}; its last lines:", *(f"    {text}" for _, text in self.lines[-count:]),
                          self.errors.strip()])


def run(command, limit, setup=None):
    start = time.monotonic()
    process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, preexec_fn=setup)
    expired = threading.Event()

    def expire():
        expired.set()
        process.kill()

    timer = threading.Timer(limit, expire)
    timer.start()
    errors = []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
    reader.start()
    lines = [(time.monotonic() - start, raw.decode(errors="replace").rstrip("\r\n")) for raw in process.stdout]
    status = process.wait()
    taken = time.monotonic() - start
    timer.cancel()
    reader.join()
    return Session(None if expired.is_set() else status, lines, errors[0].decode(errors="replace"), taken)
