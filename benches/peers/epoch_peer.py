"""Keras' side of the comparison of whole epochs: `epoch_peer.py FOLDER EPOCHS` prints one JSON line.

The original network on TensorFlow, fed by `ImageDataGenerator` from the same files with the same augmentation, on one
thread; evaluates the test pictures after each epoch. CPU-seconds of the process, after a warm-up of two steps that compiles
the graph.
"""

import json
import os
import resource
import sys
import time

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow

tensorflow.config.threading.set_intra_op_parallelism_threads(1)
tensorflow.config.threading.set_inter_op_parallelism_threads(1)
import keras
from keras.src.legacy.preprocessing.image import ImageDataGenerator

SIZE, BATCH = 150, 32


class Ends(keras.callbacks.Callback):
    """The CPU-seconds at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.process_time())


def network(classes):
    layers = [keras.Input((SIZE, SIZE, 3))]
    for maps in (32, 64, 128):
        layers += [keras.layers.Conv2D(maps, 3, activation="relu"), keras.layers.MaxPooling2D()]
    layers += [
        keras.layers.Flatten(), keras.layers.Dense(64, activation="relu"),
        keras.layers.Dropout(0.5), keras.layers.Dense(classes, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def main():
    folder, epochs = sys.argv[1], int(sys.argv[2])
    keras.utils.set_random_seed(1)
    augmented = ImageDataGenerator(rescale=1 / 255, shear_range=10, zoom_range=0.2, horizontal_flip=True)
    options = {"target_size": (SIZE, SIZE), "batch_size": BATCH}
    train = augmented.flow_from_directory(f"{folder}/train", **options)
    test = ImageDataGenerator(rescale=1 / 255).flow_from_directory(f"{folder}/test", shuffle=False, **options)
    model = network(train.num_classes)
    model.fit(train, steps_per_epoch=2, validation_data=test, validation_steps=1, verbose=0)
    train.reset()
    ends = Ends()
    start = time.process_time()
    history = model.fit(train, epochs=epochs, validation_data=test, callbacks=[ends], verbose=0)
    run = time.process_time() - start
    print(json.dumps({
        "cpu_seconds_per_epoch": run / epochs,
        "epochs": [end - begin for begin, end in zip([start, *ends.seconds], ends.seconds)],
        "test_accuracy": history.history["val_accuracy"][-1],
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }))


main()
