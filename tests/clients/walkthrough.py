"""Goes the way of README.md with the client that openapi-python-client generated, and with nothing else.

    PYTHONPATH=FOLDER_OF_THE_CLIENT python3 walkthrough.py BASE_URL

The service is a `shipshape demo` that has gone its own way and keeps serving. Its sample web answers the phrases of
the demo's classes and no others, so that classes, phrases, reference pictures and the photo come from its dataset.
"""

import base64
import hashlib
import io
import sys
import time
import uuid

from shipshape_client import Client
from shipshape_client.api.classify import classify
from shipshape_client.api.cleaning_jobs import create_cleaning_job, get_cleaning_job
from shipshape_client.api.datasets import create_dataset, get_dataset, list_datasets, replace_references
from shipshape_client.api.images import get_image, get_image_file, list_images
from shipshape_client.api.models import activate_model, download_model, get_model, list_models
from shipshape_client.api.reviews import create_review, undo_review
from shipshape_client.api.scrape_jobs import create_scrape_job, get_scrape_job, list_candidates
from shipshape_client.api.service import readyz
from shipshape_client.api.snapshots import create_snapshot, get_snapshot
from shipshape_client.api.training_runs import create_training_run, get_curve, get_training_run, list_epochs
from shipshape_client.models import (
    Decision,
    ImageState,
    JobStatus,
    NewAugment,
    NewClass,
    NewCleaningJob,
    NewCleaningJobChecksItem,
    NewDataset,
    NewRecipe,
    NewSnapshot,
    NewTrainingRun,
    Outcome,
    PhotoForm,
    PhotoText,
    Problem,
    ReferenceForm,
    ReviewRequest,
    Rule,
    ScrapeJobRequest,
    ScrapeJobRequestSource,
    StopReason,
    TagSettings,
    TaggerName,
)
from shipshape_client.types import File

REFERENCES = 4
# Pictures of each class; every fifth or so is clutter.
LIMIT = 80
RECIPE = NewRecipe(
    conv=[16, 32],
    dense=[32],
    dropout=[0.2],
    image_size=48,
    epochs=30,
    batch_size=16,
    augment=NewAugment(shear_degrees=5, zoom=0.1, horizontal_flip=True),
)
MOST_SECONDS = 300


def step(text):
    print(f"ok - {text}", flush=True)


class Walk:
    def __init__(self, base):
        # A proxy of the machine is not for a service on it.
        self.client = Client(base_url=base, raise_on_unexpected_status=True, httpx_args={"trust_env": False})

    def ask(self, operation, *path, **rest):
        """The parsed answer of an operation that must succeed."""
        answer = operation.sync(*path, client=self.client, **rest)
        assert answer is not None and not isinstance(answer, Problem), f"{operation.__name__}: {answer}"
        return answer

    def all(self, operation, *path, **query):
        """The items of all pages of a list, in small pages, so that there is more than one."""
        page = self.ask(operation, *path, limit=50, **query)
        items = page.items
        while page.next_cursor:
            page = self.ask(operation, *path, limit=50, cursor=page.next_cursor, **query)
            items += page.items
        return items

    def ended(self, operation, job):
        """The job once it has succeeded."""
        begun = time.monotonic()
        while job.status in (JobStatus.QUEUED, JobStatus.RUNNING):
            assert time.monotonic() - begun < MOST_SECONDS, f"{operation.__name__}: hangs: {job}"
            time.sleep(0.2)
            job = self.ask(operation, job.id)
        assert job.status == JobStatus.SUCCEEDED, f"{operation.__name__}: {job.status}: {job.error}"
        return job

    def pictures(self, dataset, name):
        """Some accepted pictures of a class: a photo to ask about, and the references."""
        query = {"dataset_id": dataset.id, "class_": name, "state": ImageState.ACCEPTED}
        images = self.ask(list_images, limit=REFERENCES + 1, **query).items
        assert len(images) == REFERENCES + 1, f"{name} of the demo has {len(images)} accepted pictures"
        return [self.ask(get_image_file, image.id).payload.read() for image in images]

    def find_demo(self):
        assert self.ask(readyz) == "ok"
        demos = [one for one in self.all(list_datasets) if one.name.startswith("demo-")]
        assert demos, "the service has no dataset of a demo: start it as `shipshape demo`"
        return demos[0]

    def create(self, demo):
        classes = [NewClass(name=one.name, phrases=one.phrases) for one in demo.classes]
        name = f"walkthrough-{time.time_ns()}"
        new, key = NewDataset(name=name, classes=classes), str(uuid.uuid4())
        dataset = self.ask(create_dataset, body=new, idempotency_key=key)
        again = self.ask(create_dataset, body=new, idempotency_key=key)
        assert again.id == dataset.id, "the key of the first create did not stop the second"
        taken = create_dataset.sync(client=self.client, body=new)
        assert isinstance(taken, Problem) and (taken.status, taken.code) == (409, "name_taken"), taken
        step(f"dataset {name} with the classes {', '.join(one.name for one in dataset.classes)}")
        return dataset

    def give_references(self, dataset, pictures):
        for name, files in pictures.items():
            files = [as_file(picture, f"{name}-{at}.jpg") for at, picture in enumerate(files[1:])]
            changed = self.ask(replace_references, dataset.id, name, body=ReferenceForm(image=files))
            counts = {one.name: one.references for one in changed.classes}
            assert counts[name] == REFERENCES, counts
        step(f"{REFERENCES} references of each class")

    def scrape(self, dataset):
        bing = ScrapeJobRequestSource.BING
        jobs = [
            self.ask(
                create_scrape_job,
                body=ScrapeJobRequest(
                    dataset_id=dataset.id, class_=one.name, source=bing, phrase=one.phrases[0], limit=LIMIT
                ),
            )
            for one in dataset.classes
        ]
        for job in jobs:
            job = self.ended(get_scrape_job, job)
            outcomes = job.outcomes.to_dict()
            assert job.stop_reason == StopReason.LIMIT_REACHED, job.stop_reason
            assert outcomes["stored"] == LIMIT, outcomes
            candidates = self.all(list_candidates, job.id)
            assert len(candidates) == sum(outcomes.values()), f"{len(candidates)} candidates, {outcomes}"
            assert all(one.outcome in outcomes for one in candidates), "a candidate without its outcome"
            step(f"scraped “{job.phrase}”: {outcomes}")

    def clean(self, dataset):
        tags = TagSettings(tagger=TaggerName.REKOGNITION, rule=Rule.ANY_OF_TOP_K, k=4)
        new = NewCleaningJob(dataset_id=dataset.id, checks=list(NewCleaningJobChecksItem), tags=tags)
        job = self.ended(get_cleaning_job, self.ask(create_cleaning_job, body=new))
        assert job.counts.flagged > 0 and job.counts.passed > 0, job.counts
        assert sum(job.counts.to_dict().values()) == LIMIT * len(dataset.classes), job.counts
        by_check = {name: one.flagged for name, one in job.by_check.additional_properties.items()}
        # The demo asked for the labels of the same pictures; all are kept.
        assert (job.tagger_calls, job.cost_usd) == (0, 0), f"{job.tagger_calls} calls for {job.cost_usd} dollars"
        step(f"cleaned: {job.counts.to_dict()}, flagged by {by_check}")
        flagged = self.all(list_images, dataset_id=dataset.id, state=ImageState.FLAGGED)
        assert len(flagged) == job.counts.flagged, f"{len(flagged)} flagged images, {job.counts}"
        for image in flagged:
            reasons = [one.reason for one in image.verdicts if one.outcome == Outcome.FLAGGED]
            assert reasons, f"{image.id} is flagged for no reason"
        step(f"{len(flagged)} images are flagged, one because: {reasons[0]}")
        return flagged

    def review(self, flagged):
        ids = [image.id for image in flagged[:2]]

        def states():
            return {self.ask(get_image, image).state for image in ids}

        review = self.ask(create_review, body=ReviewRequest(image_ids=ids, decision=Decision.KEEP))
        assert states() == {ImageState.ACCEPTED}, "kept images are not accepted"
        undone = self.ask(undo_review, review.id)
        assert undone.undone_at and states() == {ImageState.FLAGGED}, "the undo did not bring the flag back"
        step(f"{len(ids)} images kept by a review, and flagged again by its undo")

    def freeze(self, dataset):
        counts = [one.counts for one in self.ask(get_dataset, dataset.id).classes]
        new = NewSnapshot(test_fraction=0.2, seed=1)
        snapshot = self.ended(get_snapshot, self.ask(create_snapshot, dataset.id, body=new))
        sides = snapshot.counts
        assert sides.train + sides.test == sum(one.accepted for one in counts), (sides, counts)
        assert sides.test > 0 and (snapshot.leaks, snapshot.missing) == (0, 0), snapshot
        step(f"snapshot of {sides.train} pictures to train on and {sides.test} held out")
        return snapshot

    def train(self, snapshot):
        new = NewTrainingRun(snapshot_id=snapshot.id, seed=1, recipe=RECIPE)
        run = self.ended(get_training_run, self.ask(create_training_run, body=new))
        epochs = self.ask(list_epochs, run.id).items
        assert [one.epoch for one in epochs] == list(range(1, RECIPE.epochs + 1)), epochs
        assert epochs[-1].test_accuracy == run.test_accuracy, "the curve ends elsewhere"
        assert run.test_accuracy is not None and 0 <= run.test_accuracy <= 1, run
        assert self.ask(get_curve, run.id).startswith("<svg"), "the curve is no picture"
        step(f"trained for {len(epochs)} epochs: test accuracy {run.test_accuracy:.3f}")
        return run

    def publish(self, run):
        """Activates the model; gives the one that answered before."""
        before = [one for one in self.all(list_models) if one.default]
        model = self.ask(activate_model, run.model_id)
        assert model.active and model.default, model
        file = self.ask(download_model, model.id).payload.read()
        assert hashlib.sha256(file).hexdigest() == model.sha256, "the file is another"
        step(f"model {model.id} answers; its file has {len(file)} bytes")
        return before

    def classify(self, dataset, run, name, photo):
        answer = self.ask(classify, body=PhotoForm(image=as_file(photo, "photo.jpg")))
        assert answer.model_id == run.model_id and answer.dataset == dataset.name, answer
        shares = {one.class_: one.probability for one in answer.probabilities}
        assert set(shares) == {one.name for one in dataset.classes}, shares
        assert abs(sum(shares.values()) - 1) < 1e-3, shares
        assert answer.probability == max(shares.values()) == shares[answer.class_], answer
        raw = self.ask(classify, body=as_file(photo, None))
        assert raw.probabilities == answer.probabilities, "the photo as the body has another answer"
        text = self.ask(classify, body=PhotoText(image_base64=base64.b64encode(photo).decode()), model=run.model_id)
        assert text.probabilities == answer.probabilities, "the photo in JSON has another answer"
        step(f"a {name} is called {answer.class_} by {answer.probability:.3f}, in {answer.timings_ms.total:.1f} ms")

    def roll_back(self, before):
        for model in before:
            self.ask(activate_model, model.id)
            assert self.ask(get_model, model.id).default, "the old model does not answer again"
            step("the model of before answers again")


def as_file(picture, name):
    return File(payload=io.BytesIO(picture), file_name=name, mime_type="image/jpeg")


def main():
    walk = Walk(sys.argv[1])
    demo = walk.find_demo()
    pictures = {one.name: walk.pictures(demo, one.name) for one in demo.classes}
    dataset = walk.create(demo)
    walk.give_references(dataset, pictures)
    walk.scrape(dataset)
    flagged = walk.clean(dataset)
    walk.review(flagged)
    run = walk.train(walk.freeze(dataset))
    before = walk.publish(run)
    for name, files in pictures.items():
        walk.classify(dataset, run, name, files[0])
    walk.roll_back(before)


if __name__ == "__main__":
    main()
