"""What the scripts share that kill and stop a service: a service on a private Postgres in a temporary directory, its
workers, an image host in this process, and pictures.

A script needs a built service (SHIPSHAPE_BIN, else target/release/shipshape) and nothing else.
"""

import collections
import contextlib
import http.server
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zlib

MOST_SECONDS = 900
NO_LANES = "net=0,tag=0,cpu=0,train=0"
ROOT = pathlib.Path(__file__).resolve().parent.parent
NAME = pathlib.Path(sys.argv[0]).name


def fail(text):
    print(f"{NAME}: FAILED: {text}", file=sys.stderr)
    sys.exit(1)


def check(holds, text):
    if not holds:
        fail(text)


def numbers(*defaults):
    """The numbers of the command line, and the defaults of those that are missing."""
    given = [int(text) for text in sys.argv[1:]]
    return [*given, *defaults[len(given):]][:len(defaults)]


def any_seed():
    return random.SystemRandom().randrange(1 << 32)


@contextlib.contextmanager
def folder():
    """A temporary directory, which stays when the script fails."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"{NAME}-"))
    try:
        yield path
    except BaseException:
        print(f"{NAME}: logs and data are in {path}", file=sys.stderr)
        raise
    shutil.rmtree(path)


def png(side, rows):
    """A PNG of `side` rows of RGB bytes."""
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def noise(number):
    """64 x 64 pixels of noise, different for each number."""
    levels = random.Random(number)
    return png(64, (levels.randbytes(3 * 64) for _ in range(64)))


def patchwork(label, number, side):
    """A patchwork in the colour of its class, different for each number."""
    levels = random.Random(label * 1_000_003 + number)
    patches = [levels.randrange(200) for _ in range(64)]

    def row(y):
        for x in range(side):
            colour = [patches[y * 8 // side * 8 + x * 8 // side]] * 3
            colour[label] += 55
            yield from colour

    return png(side, (row(y) for y in range(side)))


class Origin(http.server.ThreadingHTTPServer):
    """An image host with that many pictures of noise, which takes its time for each."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, count, seconds=0.02):
        self.pictures = {f"/{number}.png": noise(number) for number in range(count)}
        self.gets = collections.Counter()
        self.seconds, self.busy, self.lock = seconds, 0, threading.Lock()
        super().__init__(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def urls(self):
        return [f"http://127.0.0.1:{self.server_port}{path}" for path in self.pictures]

    def handle_error(self, request, client_address):
        """A killed worker's connection breaks; that is what this is about."""


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.server.pictures.get(self.path)
        if body:
            with self.server.lock:
                self.server.gets[self.path] += 1
                self.server.busy += 1
            time.sleep(self.server.seconds)
            with self.server.lock:
                self.server.busy -= 1
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


class Service:
    """A service with these lanes, its workers, and its API."""

    def __init__(self, folder, lanes, settings=()):
        binary = pathlib.Path(os.environ.get("SHIPSHAPE_BIN", ROOT / "target/release/shipshape"))
        check(binary.is_file(), f"{binary} is not there: build it, or set SHIPSHAPE_BIN")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        kept = {k: v for k, v in os.environ.items() if k != "DATABASE_URL" and not k.startswith("SHIPSHAPE_")}
        pg_bin = {k: v for k, v in os.environ.items() if k == "SHIPSHAPE_PG_BIN"}
        own = {"SHIPSHAPE_DATA": str(folder / "data"), "SHIPSHAPE_LISTEN": f"127.0.0.1:{self.port}"}
        self.binary, self.folder, self.environment = binary, folder, kept | pg_bin | own | dict(settings)
        self.workers = []
        self.start_serving(lanes)

    def start(self, command, lanes, log):
        with open(self.folder / log, "ab") as out:
            arguments = [self.binary, command, "--lanes", lanes]
            return subprocess.Popen(arguments, env=self.environment, stdout=out, stderr=out)

    def start_serving(self, lanes):
        self.serve = self.start("serve", lanes, "serve.log")

    def start_worker(self, lanes):
        at = len(self.workers)
        self.workers.append(self.start("work", lanes, f"worker-{at}.log"))

    def replace_worker(self, at, lanes):
        """Kills it, and starts another in its place."""
        self.workers[at].send_signal(signal.SIGKILL)
        self.workers[at].wait()
        self.workers[at] = self.start("work", lanes, f"worker-{at}.log")

    def ask(self, method, path, body=None, kind="application/json"):
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, data, {"Content-Type": kind}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
                return json.loads(text) if "json" in answer.headers["Content-Type"] else text.decode()
        except urllib.error.HTTPError as refusal:
            fail(f"{method} {path}: {refusal.code} {refusal.read().decode(errors='replace')}")

    def wait_until_ready(self):
        for _ in range(1200):
            check(self.serve.poll() is None, f"the service ended: see {self.folder / 'serve.log'}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        fail("the service was not ready within two minutes")

    def ended(self, path):
        begun = time.monotonic()
        while True:
            job = self.ask("GET", path)
            if job["status"] not in ("queued", "running"):
                check(job["status"] == "succeeded", f"{path} ended {job['status']}: {job['error']}")
                return job
            check(time.monotonic() - begun < MOST_SECONDS, f"the job hangs: {job}")
            time.sleep(0.05)

    def all(self, path):
        items, cursor = [], ""
        while cursor is not None:
            page = self.ask("GET", f"{path}limit=200" + (f"&cursor={cursor}" if cursor else ""))
            items += page["items"]
            cursor = page["next_cursor"]
        return items

    def snapshot(self, per_class, side):
        """Uploads patchworks of two classes and freezes them."""
        new = {"name": NAME, "classes": [{"name": "red"}, {"name": "green"}]}
        dataset = self.ask("POST", "/datasets", new)["id"]
        for label, name in enumerate(["red", "green"]):
            lines = [b"--x", b'Content-Disposition: form-data; name="class"', b"", name.encode()]
            for number in range(per_class):
                disposition = f'Content-Disposition: form-data; name="image"; filename="{number}.png"'
                picture = patchwork(label, number, side)
                lines += [b"--x", disposition.encode(), b"Content-Type: image/png", b"", picture]
            body = b"\r\n".join([*lines, b"--x--", b""])
            self.ask("POST", f"/datasets/{dataset}/images", body, "multipart/form-data; boundary=x")
        path = "/snapshots/" + self.ask("POST", f"/datasets/{dataset}/snapshots", {"seed": 1})["id"]
        frozen = self.ended(path)
        check(sum(frozen["counts"].values()) == 2 * per_class, f"frozen: {frozen['counts']}")
        return frozen["id"]

    def scrape(self, origin):
        """Begins to scrape all pictures of the host into a new dataset; gives the dataset and the job's path."""
        new = {"name": f"{NAME}-noise", "classes": [{"name": "noise"}]}
        dataset, urls = self.ask("POST", "/datasets", new)["id"], origin.urls()
        job = {"dataset_id": dataset, "class": "noise", "source": "urls", "urls": urls, "limit": len(urls)}
        return dataset, "/scrape-jobs/" + self.ask("POST", "/scrape-jobs", job)["id"]

    def examine(self):
        """Lets the doctor look: at rows, counts and files."""
        run = subprocess.run([self.binary, "doctor"], env=self.environment, capture_output=True, text=True)
        check(run.returncode == 0, f"the doctor found: {run.stdout}{run.stderr}")

    def log(self):
        return "".join(log.read_text(errors="replace") for log in sorted(self.folder.glob("*.log")))

    def stop(self):
        processes = [*self.workers, self.serve]
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
