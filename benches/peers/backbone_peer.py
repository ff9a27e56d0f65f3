"""timm's side of the backbone: its network with weights from the formula of `src/nn/backbone/tests.rs`."""

import json
import math
import resource
import sys
import time

import numpy
import torch

NAME = "mobilenetv4_conv_small.e2400_r224_in1k"
# Width, height, short side, crop, and which pixels are kept; as in src/picture/crop.rs.
CROPS = [(300, 200, 73, 64, 2), (97, 211, 73, 64, 2), (40, 31, 73, 64, 2), (640, 427, 256, 224, 8), (1001, 50, 256, 224, 8)]
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def formula(name, length):
    """Pseudo-random numbers in [-1, 1): MurmurHash3's finaliser over the FNV-1a hash of the name plus an index."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 & 0xFFFFFFFF
    mask = numpy.uint64(0xFFFFFFFF)
    value = numpy.arange(length, dtype=numpy.uint64) * numpy.uint64(2654435761)
    value = value + numpy.uint64(seed) & mask
    value = (value ^ value >> numpy.uint64(16)) * numpy.uint64(0x85EBCA6B) & mask
    value = (value ^ value >> numpy.uint64(13)) * numpy.uint64(0xC2B2AE35) & mask
    value = value ^ value >> numpy.uint64(16)
    return (value >> numpy.uint64(8)).astype(numpy.float32) / numpy.float32(8388608) - numpy.float32(1)


def network():
    import timm

    model = timm.create_model(NAME, pretrained=False).eval()
    assert list(model.default_cfg["mean"]) == MEAN and list(model.default_cfg["std"]) == DEVIATION
    state = model.state_dict()
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        numbers = torch.from_numpy(formula(name, tensor.numel())).reshape(tensor.shape)
        offset, scale = 0.0, 0.1
        if name.endswith("running_var"):
            offset, scale = 1.0, 0.5
        elif name.endswith("weight") and tensor.ndim == 1:
            offset, scale = 1.0, 0.2
        elif name.endswith("weight"):
            offset, scale = 0.0, math.sqrt(3.0 / math.prod(tensor.shape[1:]))
        tensor.copy_(offset + numpy.float32(scale) * numbers)
    return model


def picture(size):
    """The formula's picture [1, 3, size, size], normalised."""
    pixels = (formula("picture", size * size * 3) + 1) / 2
    pixels = (pixels.reshape(1, size, size, 3) - numpy.float32(MEAN)) / numpy.float32(DEVIATION)
    return torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())


def write_fixture(path):
    model, numbers = network(), []
    with torch.inference_mode():
        for size in [224, 96]:
            features = model.forward_head(model.forward_features(picture(size)), pre_logits=True)
            numbers += [features[0], model.classifier(features)[0]]
    torch.cat(numbers).numpy().astype("<f4").tofile(path)
    for part in numbers:
        print(f"{len(part)} numbers, largest {part.abs().max():.3f}, mean {part.mean():.4f},"
              f" zeros {(part == 0).float().mean():.2f}")


def photo(width, height):
    """Waves and noise as a Pillow picture."""
    from PIL import Image

    noise = ((formula("crop", width * height * 3) + numpy.float32(1)) * numpy.float32(127.99)).astype(numpy.uint8)
    y, x, channel = numpy.ogrid[:height, :width, :3]
    wave = (x * (2 + channel) + 3 * y) % 256
    return Image.fromarray(((noise.reshape(height, width, 3).astype(int) + 3 * wave) // 4).astype(numpy.uint8))


def write_crops(path):
    """What the transform that timm states for the network makes of pictures, before the normalisation."""
    import timm

    config = timm.data.resolve_model_data_config(timm.create_model(NAME, pretrained=False))
    assert config["input_size"] == (3, 224, 224) and config["crop_pct"] == 0.875, config
    assert config["interpolation"] == "bicubic" and config["crop_mode"] == "center", config
    crops = b""
    for width, height, short, size, step in CROPS:
        transform = timm.data.create_transform(**config | {"input_size": (3, size, size)})
        resize, crop = transform.transforms[:2]
        assert resize.size == short and crop.size == (size, size), transform
        pixels = numpy.asarray(crop(resize(photo(width, height))))
        crops += pixels[::step, ::step].tobytes()
    with open(path, "wb") as file:
        file.write(crops)


def measure(run, pictures, seconds):
    """Pictures per second of process CPU time, after a warm-up."""
    for _ in range(3):
        run()
    rounds, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        run()
        rounds += 1
    speed = rounds * pictures / (time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"images_per_cpu_second": speed, "peak_megabytes": peak}))


def pytorch(batch, seconds, file):
    model = network().to(memory_format=torch.channels_last)
    model.classifier = torch.nn.Identity()
    pixels = picture(224).repeat(batch, 1, 1, 1).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        # Folds batch normalisation into the convolutions, as we do.
        model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, pixels)))
        measure(lambda: model(pixels), batch, seconds)


def onnxruntime(batch, seconds, file):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    pixels = picture(224).repeat(batch, 1, 1, 1).numpy()
    measure(lambda: session.run(None, {"image": pixels}), batch, seconds)


def export(file):
    """The same network, without its classifier, as ONNX."""
    model = network()
    model.classifier = torch.nn.Identity()
    names = {"input_names": ["image"], "output_names": ["features"]}
    axes = {"image": {0: "N"}, "features": {0: "N"}}
    torch.onnx.export(model, (picture(224),), file, dynamo=False, opset_version=17, dynamic_axes=axes, **names)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "fixture":
        write_fixture(sys.argv[2])
    elif sys.argv[1] == "crops":
        write_crops(sys.argv[2])
    elif sys.argv[1] == "export":
        export(sys.argv[2])
    else:
        {"pytorch": pytorch, "onnxruntime": onnxruntime}[sys.argv[1]](
            int(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
