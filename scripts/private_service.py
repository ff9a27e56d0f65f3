"""A served shipshape on a data directory of its own, and its public API, for the scripts beside this file."""

import json
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
NAME = pathlib.Path(sys.argv[0]).name
# Pictures in one request.
PART = 100


# How long a job may take where a script does not say.
MOST_SECONDS = 900
TRAINS = "net=0,tag=0,cpu=0,train=1"


def fail(text):
    print(f"{NAME}: FAILED: {text}", file=sys.stderr)
    sys.exit(1)


def check(holds, text):
    if not holds:
        fail(text)


class Service:
    """A service with these lanes in `folder`, where its data and its logs stay, its workers, and its API."""

    def __init__(self, folder, lanes, settings=()):
        self.binary = pathlib.Path(os.environ.get("SHIPSHAPE_BIN", ROOT / "target/release/shipshape"))
        check(self.binary.is_file(), f"{self.binary} is not there: build it, or set SHIPSHAPE_BIN")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        kept = {k: v for k, v in os.environ.items() if k != "DATABASE_URL" and not k.startswith("SHIPSHAPE_")}
        pg_bin = {k: v for k, v in os.environ.items() if k == "SHIPSHAPE_PG_BIN"}
        own = {"SHIPSHAPE_DATA": str(folder / "data"), "SHIPSHAPE_LISTEN": f"127.0.0.1:{self.port}"}
        self.folder, self.environment = folder, kept | pg_bin | own | dict(settings)
        self.workers = []
        # So that a script that is told to end still stops what it started.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        self.start_serving(lanes)
        try:
            self.wait_until_ready()
        except SystemExit:
            self.stop()
            raise

    def start(self, command, lanes, log, emulator=(), variables=None):
        with open(self.folder / log, "ab") as out:
            arguments = [*emulator, self.binary, command, "--lanes", lanes]
            return subprocess.Popen(arguments, env=self.environment | (variables or {}), stdout=out, stderr=out)

    def start_serving(self, lanes):
        self.serve = self.start("serve", lanes, "serve.log")

    def start_worker(self, lanes=TRAINS, emulator=(), variables=None):
        """Another worker; under an emulator of another processor, if its command is given."""
        log = f"worker-{len(self.workers)}.log"
        self.workers.append(self.start("work", lanes, log, emulator, variables))
        return self.workers[-1]

    def kill_worker(self, at=0):
        self.workers[at].send_signal(signal.SIGKILL)
        self.workers[at].wait()

    def replace_worker(self, at=0, lanes=TRAINS):
        """Kills it, and starts another in its place."""
        self.kill_worker(at)
        self.workers[at] = self.start("work", lanes, f"worker-{at}.log")

    def fetch(self, method, path, data=None, kind="application/json"):
        """The bytes of an answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": kind}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            fail(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}")

    def get(self, path):
        return json.loads(self.fetch("GET", path))

    def post(self, path, body):
        return json.loads(self.fetch("POST", path, json.dumps(body).encode()))

    def pages(self, path, **query):
        """Every row of a list."""
        rows, cursor = [], {}
        while True:
            page = self.get(f"{path}?{urllib.parse.urlencode(query | cursor | {'limit': 200})}")
            rows += page["items"]
            if page["next_cursor"] is None:
                return rows
            cursor = {"cursor": page["next_cursor"]}

    def upload(self, dataset, label, pictures):
        """Sends pictures, (file name, bytes) each, to a class of a dataset."""
        for start in range(0, len(pictures), PART):
            lines = [b"--x", b'Content-Disposition: form-data; name="class"', b"", label.encode()]
            answer = self.send("POST", f"/datasets/{dataset}/images", lines, pictures[start:start + PART])
            refused = [one for one in answer["items"] if one["outcome"] not in ("stored", "duplicate")]
            check(not refused, f"refused: {refused[:3]}")

    def refer(self, dataset, label, pictures):
        """Makes pictures, (file name, bytes) each, the references of a class."""
        self.send("PUT", f"/datasets/{dataset}/classes/{urllib.parse.quote(label)}/references", [], pictures)

    def send(self, method, path, lines, pictures):
        """Sends a form of these lines and pictures; gives the answer."""
        for name, content in pictures:
            disposition = f'Content-Disposition: form-data; name="image"; filename="{name}"'
            lines = [*lines, b"--x", disposition.encode(), b"", content]
        body = b"\r\n".join([*lines, b"--x--", b""])
        return json.loads(self.fetch(method, path, body, "multipart/form-data; boundary=x"))

    def freeze(self, dataset, **division):
        """A snapshot of a dataset, frozen."""
        return self.ended("/snapshots/" + self.post(f"/datasets/{dataset}/snapshots", division)["id"])

    def snapshot(self, pictures):
        """A snapshot of a new dataset of these pictures by class; gives its id."""
        new = {"name": NAME, "classes": [{"name": name} for name in pictures]}
        dataset = self.post("/datasets", new)["id"]
        for name, files in pictures.items():
            self.upload(dataset, name, files)
        frozen = self.freeze(dataset, seed=1)
        count = sum(len(files) for files in pictures.values())
        check(sum(frozen["counts"].values()) == count, f"frozen: {frozen['counts']}")
        return frozen["id"]

    def wait_until_ready(self):
        for _ in range(1200):
            check(self.serve.poll() is None, f"the service ended: see {self.folder / 'serve.log'}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        fail("the service was not ready within two minutes")

    def ended(self, path, most_seconds=MOST_SECONDS):
        begun = time.monotonic()
        while True:
            job = self.get(path)
            if job["status"] not in ("queued", "running"):
                check(job["status"] == "succeeded", f"{path} ended {job['status']}: {job['error']}")
                return job
            check(time.monotonic() - begun < most_seconds, f"the job hangs: {job}")
            time.sleep(0.05)

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


def png(side, rows):
    """A PNG of `side` rows of RGB bytes."""
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def patchwork(side, colour, number):
    """A PNG of patches, reddish (0), greenish or bluish, different for each number."""
    levels = random.Random(colour * 1_000_003 + number)
    patches = [levels.randrange(200) for _ in range(64)]

    def row(y):
        for x in range(side):
            pixel = [patches[y * 8 // side * 8 + x * 8 // side]] * 3
            pixel[colour] += 55
            yield from pixel

    return png(side, (row(y) for y in range(side)))


def patchworks(side, count, colours=("red", "green")):
    """That many patchworks of each colour, by colour."""
    return {name: [(f"{number}.png", patchwork(side, colour, number)) for number in range(count)]
            for colour, name in enumerate(colours)}


def classes_of(photos):
    """The pictures in the folders of `photos`, by class: (file name, bytes) each."""
    folders = [folder for folder in sorted(photos.iterdir()) if folder.is_dir()]
    found = {
        folder.name: [(file.name, file.read_bytes()) for file in sorted(folder.iterdir()) if file.is_file()]
        for folder in folders
    }
    check(len(found) > 1 and all(found.values()), f"{photos} is to hold a folder of pictures per class")
    return found
