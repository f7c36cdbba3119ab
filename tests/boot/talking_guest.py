"""A guest that does one command and says on its first serial port how far it is, and a server of the host that it asks."""
import http.server
import socket
import subprocess
import threading

LIMIT = 240  # seconds


class Failure(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """Serves /data; /end answers when the test is through."""

    def __init__(self, data):
        ended = self.ended = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = data if self.path == "/data" else b""
                if self.path == "/end":
                    ended.wait(LIMIT)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Guest:
    def __init__(self, tandem, folder, command, *options):
        self.process = subprocess.Popen([str(a) for a in [
            tandem, "run", folder / "default.cfg", "--timeout", LIMIT, "--cmdline", f'console=ttyS0 quiet run="{command}"', *options]],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        self.watchdog = threading.Timer(LIMIT, self.process.kill)
        self.watchdog.start()
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watchdog.cancel()
        self.process.kill()
        self.process.wait()

    def wait_for(self, words):
        """The line that begins so."""
        for line in self.process.stdout:
            self.text += line
            if line.startswith(words):
                return line.strip()
        raise Failure(f"{words!r} never came; the guest said: {self.text[-3000:]}")

    def end(self):
        self.text += self.process.communicate()[0]
        if self.process.returncode:
            raise Failure(f"status {self.process.returncode}: {self.text[-3000:]}")
