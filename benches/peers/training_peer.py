"""One side of the training comparison: `training_peer.py pytorch|keras STEPS SIZE BLOCKS` prints one JSON line.

The same network, batch and data shape as benches/training.rs, on one thread; images per second of
process CPU time after a warm-up.
"""

import json
import os
import resource
import sys
import time

BATCH, CLASSES, WARM_UP = 32, 5, 3
MAPS = [3, 32, 64, 128]


def pytorch(size, blocks):
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(1)

    layers, side = [], size
    for i, o in zip(MAPS, MAPS[1:blocks + 1]):
        layers += [nn.Conv2d(i, o, 3), nn.ReLU(), nn.MaxPool2d(2)]
        side = (side - 2) // 2
    layers += [nn.Flatten(), nn.Linear(side * side * MAPS[blocks], 64), nn.ReLU(), nn.Dropout(0.5),
               nn.Linear(64, CLASSES)]
    model = nn.Sequential(*layers).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, fused=True)
    loss_of = nn.CrossEntropyLoss()
    x = torch.rand(BATCH, 3, size, size).to(memory_format=torch.channels_last)
    y = torch.arange(BATCH) % CLASSES

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def keras(size, blocks):
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import numpy
    import tensorflow
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    import keras

    keras.utils.set_random_seed(1)
    layers = [keras.Input((size, size, 3))]
    for maps in MAPS[1:blocks + 1]:
        layers += [keras.layers.Conv2D(maps, 3, activation="relu"), keras.layers.MaxPooling2D()]
    layers += [
        keras.layers.Flatten(), keras.layers.Dense(64, activation="relu"),
        keras.layers.Dropout(0.5), keras.layers.Dense(CLASSES, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    x = numpy.random.default_rng(1).random((BATCH, size, size, 3), dtype="float32")
    y = numpy.arange(BATCH) % CLASSES
    return lambda: float(model.train_on_batch(x, y))


def main():
    steps, size, blocks = map(int, sys.argv[2:5])
    step = {"pytorch": pytorch, "keras": keras}[sys.argv[1]](size, blocks)
    for _ in range(WARM_UP):
        step()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        loss = step()
    images = steps * BATCH
    print(json.dumps({
        "images_per_cpu_second": images / (time.process_time() - cpu),
        "images_per_second": images / (time.perf_counter() - wall),
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "loss": loss,
    }))


main()
