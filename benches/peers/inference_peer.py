"""One side of the comparison of inference: `inference_peer.py onnxruntime|pytorch BATCH SECONDS MODEL` prints one JSON line.

ONNX Runtime runs the ONNX file that we export; PyTorch a network of the same layers with its own weights. One thread, pictures in
memory in the order that each prefers; pictures per second of process CPU time after a warm-up.
"""

import json
import resource
import sys
import time

SIZE, CLASSES = 150, 5


def onnxruntime(batch, file):
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    pixels = numpy.random.default_rng(1).random((batch, 3, SIZE, SIZE), dtype="float32")
    return lambda: session.run(["probabilities"], {"image": pixels})


def pytorch(batch, file):
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    layers = []
    for i, o in [(3, 32), (32, 64), (64, 128)]:
        layers += [nn.Conv2d(i, o, 3), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Flatten(), nn.Linear(17 * 17 * 128, 64), nn.ReLU(), nn.Linear(64, CLASSES), nn.Softmax(1)]
    model = nn.Sequential(*layers).eval().to(memory_format=torch.channels_last)
    pixels = torch.rand(batch, 3, SIZE, SIZE).to(memory_format=torch.channels_last)
    model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, pixels)))
    return lambda: model(pixels)


def main():
    batch, seconds = int(sys.argv[2]), float(sys.argv[3])
    run = {"onnxruntime": onnxruntime, "pytorch": pytorch}[sys.argv[1]](batch, sys.argv[4])
    for _ in range(3):
        run()
    rounds, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        run()
        rounds += 1
    print(json.dumps({
        "images_per_cpu_second": rounds * batch / (time.process_time() - start),
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }))


main()
