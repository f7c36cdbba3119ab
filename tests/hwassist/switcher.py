"""Changes the engine of a running guest by its control socket, at random moments."""
import json
import random
import socket
import time


class Refused(Exception):
    pass


class Control:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rw")

    def ask(self, **request):
        self.file.write(json.dumps(request) + "\n")
        self.file.flush()
        return json.loads(self.file.readline())


class Switcher:
    pauses = [0, 0.002, 0.02, 0.1]  # seconds

    def __init__(self, path, now="jit"):
        """A KVM that is there takes its turns."""
        self.control, self.now, self.made, self.longest = Control(path), now, 0, 0.0
        answer = self.control.ask(do="engine", to="kvm")
        self.choices = ["jit", "kvm", "jit", "kvm", "interp"] if answer["ok"] else ["interp", "jit"]
        if answer["ok"]:
            self.to(now)
        else:
            print("without KVM:", answer["error"])

    def to(self, engine):
        began = time.monotonic()
        answer = self.control.ask(do="engine", to=engine)
        self.longest = max(self.longest, time.monotonic() - began)
        if not answer["ok"] or answer["engine"] != engine:
            raise Refused(f"{engine}: {answer}")
        self.now = engine

    def switch(self):
        """To another engine than the one at work; then a pause."""
        self.to(random.choice([engine for engine in self.choices if engine != self.now]))
        self.made += 1
        time.sleep(random.choice(self.pauses))
