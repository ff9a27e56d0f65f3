"""Keras' side of scripts/study: `study_peer.py PLAN` trains one network and prints one JSON line.

PLAN is a JSON file: `pictures` (path, label, whether held out), `classes`, `conv`, `dropout`, `dense`, `image_size`,
`epochs`, `batch_size`, `learning_rate`, `seed`, `threads`. The network, the optimiser and the augmentation are those of
shipshape's recipe; files are read by Pillow, whose bilinear filter averages over the area as shipshape's does.
"""

import json
import os
import pathlib
import sys
import time

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy
import tensorflow
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from PIL import Image


def load(plan, held_out):
    size = plan["image_size"]
    chosen = [one for one in plan["pictures"] if one["held_out"] == held_out]
    pixels = numpy.zeros((len(chosen), size, size, 3), "uint8")
    for at, one in enumerate(chosen):
        picture = Image.open(one["path"]).convert("RGB")
        pixels[at] = picture.resize((size, size), Image.Resampling.BILINEAR)
    return pixels, numpy.array([one["label"] for one in chosen])


def network(plan):
    """Dropout rates fill the places from the output back, as in shipshape: before the output, after the convolutions,
    between blocks."""
    layers, rates = keras.layers, list(plan["dropout"])
    built = [layers.Dropout(rates.pop()) if rates else None, layers.Dropout(rates.pop()) if rates else None]
    before_output, after_blocks = built
    between = [rates.pop() if rates else None for _ in plan["conv"][1:]][::-1] + [None]
    stack = [keras.Input((plan["image_size"], plan["image_size"], 3))]
    for maps, rate in zip(plan["conv"], between):
        stack += [layers.Conv2D(maps, 3, activation="relu"), layers.MaxPooling2D()]
        stack += [layers.Dropout(rate)] if rate is not None else []
    stack += [after_blocks] if after_blocks else []
    stack += [layers.Flatten(), *(layers.Dense(units, activation="relu") for units in plan["dense"])]
    stack += [before_output] if before_output else []
    stack += [layers.Dense(len(plan["classes"]), activation="softmax")]
    model = keras.Sequential(stack)
    adam = keras.optimizers.Adam(plan["learning_rate"])
    model.compile(optimizer=adam, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Batches(keras.utils.PyDataset):
    """The training pictures in a new order each epoch, each changed at random.

    Keras 3 takes columns for its first axis (keras-preprocessing #318), so it is given the transposed picture: shear and
    flip then act as the documentation says.
    """

    def __init__(self, pixels, labels, plan):
        super().__init__()
        self.pixels, self.labels, self.size = pixels, labels, plan["batch_size"]
        self.changes = ImageDataGenerator(
            shear_range=10, zoom_range=0.2, vertical_flip=True, fill_mode="nearest", data_format="channels_last")
        self.order = numpy.random.permutation(len(labels))

    def __len__(self):
        return -(-len(self.labels) // self.size)

    def on_epoch_end(self):
        self.order = numpy.random.permutation(len(self.labels))

    def changed(self, picture):
        turned = picture.astype("float32").transpose(1, 0, 2)
        turned = self.changes.apply_transform(turned, self.changes.get_random_transform(turned.shape))
        return turned.transpose(1, 0, 2) / 255

    def __getitem__(self, at):
        chosen = self.order[at * self.size:(at + 1) * self.size]
        return numpy.stack([self.changed(self.pixels[one]) for one in chosen]), self.labels[chosen]


def main():
    plan = json.loads(pathlib.Path(sys.argv[1]).read_text())
    tensorflow.config.threading.set_intra_op_parallelism_threads(plan["threads"])
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(plan["seed"])
    (train, train_labels), (test, test_labels) = load(plan, False), load(plan, True)
    model = network(plan)
    begun = time.process_time()
    unseen = (test.astype("float32") / 255, test_labels)
    history = model.fit(
        Batches(train, train_labels, plan), epochs=plan["epochs"], validation_data=unseen,
        validation_batch_size=64, verbose=0,
    ).history
    seconds = time.process_time() - begun
    seen = model.evaluate(train.astype("float32") / 255, train_labels, batch_size=64, verbose=0)
    print(json.dumps({
        "train_accuracy": seen[1], "test_accuracy": history["val_accuracy"][-1],
        "test_curve": history["val_accuracy"], "running_curve": history["accuracy"],
        "parameters": model.count_params(), "cpu_seconds": round(seconds, 1),
        "versions": {"keras": keras.__version__, "tensorflow": tensorflow.__version__},
    }))


main()
