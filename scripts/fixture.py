"""What the scripts share that kill and stop a service: a directory, seeds, and an image host in this process."""

import collections
import contextlib
import http.server
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time

from private_service import NAME, png

NO_LANES = "net=0,tag=0,cpu=0,train=0"


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


def noise(number, side=64):
    """So many rows and columns of noise, different for each number."""
    levels = random.Random(number)
    return png(side, (levels.randbytes(3 * side) for _ in range(side)))


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


def begin_scrape(service, origin):
    """Begins to scrape all pictures of the host into a new dataset; gives the dataset and the job's path."""
    new = {"name": f"{NAME}-noise", "classes": [{"name": "noise"}]}
    dataset, urls = service.post("/datasets", new)["id"], origin.urls()
    job = {"dataset_id": dataset, "class": "noise", "source": "urls", "urls": urls, "limit": len(urls)}
    return dataset, "/scrape-jobs/" + service.post("/scrape-jobs", job)["id"]
