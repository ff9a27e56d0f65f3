"""What `scripts/plant-dirt` wrote: uploaded to a service, and labelled by a stand-in for Rekognition."""

import json
import threading

from rekognition import Rekognition

LANES = "net=1,tag=4,cpu=2,train=1"


class Tagger(Rekognition):
    """Answers by labels.json, and counts."""

    def __init__(self, dirt):
        known = json.loads((dirt / "labels.json").read_text())
        self.version = known["LabelModelVersion"]
        self.labels = {one["sha256"]: one["labels"] for one in known["images"].values()}
        self.calls, self.lock = 0, threading.Lock()
        super().__init__()

    def detect(self, sha256):
        with self.lock:
            self.calls += 1
        return 200, {"LabelModelVersion": self.version, "Labels": self.labels.get(sha256, [])}


def upload(service, dirt):
    """A dataset of the pictures, with the references of each class; its id."""
    classes = sorted(path.name for path in (dirt / "pictures").iterdir())
    new = {"name": dirt.name, "classes": [{"name": label} for label in classes]}
    dataset = service.post("/datasets", new)["id"]
    for label in classes:
        for send, of in ((service.upload, "pictures"), (service.refer, "references")):
            files = sorted((dirt / of / label).iterdir())
            send(dataset, label, [(file.name, file.read_bytes()) for file in files])
    return dataset
