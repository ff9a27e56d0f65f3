"""One side of the comparison of augmentation: `augmentation_peer.py keras|torchvision PICTURES`
prints one JSON line.

The same size and settings as benches/augmentation.rs, on one thread, from bytes in memory to
numbers in 0..1; pictures per second of process CPU time after a warm-up. Keras has no random
crop; torchvision's affine map has one zoom for rows and columns.
"""

import json
import os
import sys
import time

SIZE, PICTURES = 150, 64


def keras():
    os.environ["KERAS_BACKEND"] = "jax"
    import numpy
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator(shear_range=10, zoom_range=0.2, horizontal_flip=True,
                                   rescale=1 / 255, data_format="channels_last")
    bytes_of = numpy.random.default_rng(1).integers(0, 256, (PICTURES, SIZE, SIZE, 3), "uint8")

    def affine(at):
        picture = bytes_of[at % PICTURES].astype("float32")
        picture = generator.apply_transform(picture, generator.get_random_transform(picture.shape))
        return generator.standardize(picture)

    return {"affine": affine}


def torchvision():
    import torch
    from torchvision.transforms import v2

    torch.set_num_threads(1)
    torch.manual_seed(1)
    bytes_of = torch.randint(0, 256, (PICTURES, 3, SIZE, SIZE), dtype=torch.uint8)
    bilinear, numbers = v2.InterpolationMode.BILINEAR, v2.ToDtype(torch.float32, scale=True)
    turn = v2.RandomAffine(0, scale=(0.8, 1.2), shear=10, interpolation=bilinear)
    cut = v2.RandomResizedCrop(SIZE, scale=(0.25, 1), interpolation=bilinear, antialias=False)
    flip = v2.RandomHorizontalFlip()

    def of(change, first):
        steps = [numbers, change, flip] if first else [change, flip, numbers]
        chain = v2.Compose(steps)
        return lambda at: chain(bytes_of[at % PICTURES])

    # Which is faster, bytes or numbers, is for the clock to say.
    return {"affine": of(turn, False), "affine_numbers": of(turn, True),
            "crop": of(cut, False), "crop_numbers": of(cut, True)}


def speed(apply, count):
    for at in range(count // 10 + 1):
        apply(at)
    start = time.process_time()
    for at in range(count):
        apply(at)
    return count / (time.process_time() - start)


def main():
    count = int(sys.argv[2])
    changes = {"keras": keras, "torchvision": torchvision}[sys.argv[1]]()
    speeds = {name: speed(apply, count) for name, apply in changes.items()}
    best = {name: max(speeds[name], speeds.get(f"{name}_numbers", 0))
            for name in speeds if not name.endswith("_numbers")}
    print(json.dumps(best))


main()
