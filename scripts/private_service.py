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


def check(holds, text):
    if not holds:
        print(f"{NAME}: FAILED: {text}", file=sys.stderr)
        sys.exit(1)


class Service:
    """The service in `folder`, where its data and its logs stay; a worker beside it can be started and killed."""

    def __init__(self, folder, lanes):
        self.binary = pathlib.Path(os.environ.get("SHIPSHAPE_BIN", ROOT / "target/release/shipshape"))
        check(self.binary.is_file(), f"{self.binary} is not there: build it, or set SHIPSHAPE_BIN")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        kept = {k: v for k, v in os.environ.items() if k != "DATABASE_URL" and not k.startswith("SHIPSHAPE_")}
        pg_bin = {k: v for k, v in os.environ.items() if k == "SHIPSHAPE_PG_BIN"}
        own = {"SHIPSHAPE_DATA": str(folder / "data"), "SHIPSHAPE_LISTEN": f"127.0.0.1:{self.port}"}
        self.folder, self.environment = folder, kept | pg_bin | own
        # So that a script that is told to end still stops what it started.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        self.serve, self.worker = self.start("serve", lanes), None
        try:
            self.wait_until_ready()
        except SystemExit:
            self.stop()
            raise

    def start(self, command, lanes, emulator=(), variables=None):
        with open(self.folder / f"{command}.log", "ab") as out:
            arguments = [*emulator, self.binary, command, "--lanes", lanes]
            return subprocess.Popen(arguments, env=self.environment | (variables or {}), stdout=out, stderr=out)

    def start_worker(self, emulator=(), variables=None):
        """A worker that trains; under an emulator of another processor, if its command is given."""
        self.worker = self.start("work", "net=0,tag=0,cpu=0,train=1", emulator, variables)

    def kill_worker(self):
        self.worker.send_signal(signal.SIGKILL)
        self.worker.wait()

    def fetch(self, method, path, data=None, kind="application/json"):
        """The bytes of an answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": kind}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            check(False, f"{method} {path}: {error.code} {error.read().decode(errors='replace')}")

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
            for name, content in pictures[start:start + PART]:
                disposition = f'Content-Disposition: form-data; name="image"; filename="{name}"'
                lines += [b"--x", disposition.encode(), b"", content]
            body = b"\r\n".join([*lines, b"--x--", b""])
            path = f"/datasets/{dataset}/images"
            answer = json.loads(self.fetch("POST", path, body, "multipart/form-data; boundary=x"))
            refused = [one for one in answer["items"] if one["outcome"] not in ("stored", "duplicate")]
            check(not refused, f"refused: {refused[:3]}")

    def freeze(self, dataset, **division):
        """A snapshot of a dataset, frozen."""
        return self.ended("/snapshots/" + self.post(f"/datasets/{dataset}/snapshots", division)["id"], 600)

    def wait_until_ready(self):
        for _ in range(1200):
            check(self.serve.poll() is None, f"the service ended: see {self.folder / 'serve.log'}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        check(False, "the service was not ready within two minutes")

    def ended(self, path, most_seconds):
        begun = time.monotonic()
        while True:
            job = self.get(path)
            if job["status"] not in ("queued", "running"):
                check(job["status"] == "succeeded", f"{path} ended {job['status']}: {job['error']}")
                return job
            check(time.monotonic() - begun < most_seconds, f"the job hangs: {job}")
            time.sleep(0.05)

    def stop(self):
        for process in filter(None, [self.worker, self.serve]):
            process.terminate()
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()


def patchwork(side, colour, number):
    """A PNG of patches, reddish (0), greenish or bluish, different for each number."""
    levels = random.Random(colour * 1_000_003 + number)
    patches = [levels.randrange(200) for _ in range(64)]
    rows = bytearray()
    for y in range(side):
        rows.append(0)
        for x in range(side):
            pixel = [patches[y * 8 // side * 8 + x * 8 // side]] * 3
            pixel[colour] += 55
            rows.extend(pixel)

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(rows))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def classes_of(photos):
    """The pictures in the folders of `photos`, by class: (file name, bytes) each."""
    folders = [folder for folder in sorted(photos.iterdir()) if folder.is_dir()]
    found = {
        folder.name: [(file.name, file.read_bytes()) for file in sorted(folder.iterdir()) if file.is_file()]
        for folder in folders
    }
    check(len(found) > 1 and all(found.values()), f"{photos} is to hold a folder of pictures per class")
    return found
