"""A stand-in for Amazon Rekognition in this process: DetectLabels, answered by the SHA-256 of the picture's bytes."""

import base64
import hashlib
import http.server
import json
import threading


class Rekognition(http.server.ThreadingHTTPServer):
    """What it answers is up to `detect` of the class that derives from it; the port is `server_port`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def detect(self, sha256):
        """The status and the body of the answer."""
        raise NotImplementedError

    def settings(self):
        """Lets a service ask here, as fast as it can."""
        return {"AWS_ENDPOINT_URL_REKOGNITION": f"http://127.0.0.1:{self.server_port}",
                "SHIPSHAPE_REKOGNITION_RATE": "1000"}

    def handle_error(self, request, client_address):
        """A killed worker's connection breaks, which is nothing to report."""


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        picture = base64.b64decode(request["Image"]["Bytes"])
        status, body = self.server.detect(hashlib.sha256(picture).hexdigest())
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
