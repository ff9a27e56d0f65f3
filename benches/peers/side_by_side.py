"""What the side-by-side scripts share: peers in a virtual environment, our bench, runs pinned to one core, medians."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")

# What `import torch` needs besides its CUDA libraries.
TORCH_IMPORTS = ["numpy", "filelock", "typing_extensions", "sympy", "networkx", "jinja2", "fsspec"]

# Prints the libraries that torch's default wheel loads at import; triton is not one of them.
CUDA_LIBRARIES = """
import importlib.metadata
for requirement in importlib.metadata.requires("torch"):
    if "extra ==" not in requirement and not requirement.startswith(("triton", "cuda-bindings")):
        print(requirement.split(";")[0].replace(" ", ""))
"""

# PyTorch page-faults on every large tensor unless glibc keeps them on the heap.
MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(4 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}


def say(text):
    print(text, file=sys.stderr, flush=True)


class Comparison:
    """Our bench `name`, and the peers that `benches/peers/<name>_peer.py` runs in their own environment, or in another's."""

    def __init__(self, name, environment=None):
        self.name = name
        self.home = CACHE / "shipshape" / "peers" / name
        self.venv = CACHE / "shipshape" / "peers" / (environment or name) / "venv"
        self.python = self.venv / "bin" / "python"
        self.peer = [str(self.python), str(ROOT / "benches" / "peers" / f"{name}_peer.py")]

    def make_environment(self):
        self.home.mkdir(parents=True, exist_ok=True)
        if not self.python.exists():
            say(f"making {self.venv}")
            venv.create(self.venv, with_pip=True)

    def imports(self, modules):
        command = [self.python, "-c", f"import {modules}"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def pip(self, *arguments):
        command = [self.python, "-m", "pip", "install", "-q", *arguments]
        subprocess.run(command, check=True, stdout=sys.stderr)

    def install_torch(self, modules, *packages):
        """Makes torch and `packages`, which are installed as it is, importable as `modules`."""
        if not self.imports(modules):
            say("installing PyTorch (large)")
            self.pip(*TORCH_IMPORTS)
            self.pip("--no-deps", "torch", *packages)
        if not self.imports("torch"):
            libraries = subprocess.check_output([self.python, "-c", CUDA_LIBRARIES], text=True)
            self.pip(*libraries.split())

    def build(self):
        say(f"building benches/{self.name}.rs")
        command = ["cargo", "bench", "--locked", "--no-run", "--bench", self.name,
                   "--message-format", "json-render-diagnostics"]
        lines = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
        artifacts = [m for m in map(json.loads, lines) if m.get("executable")]
        return next(m["executable"] for m in artifacts if m["target"]["name"] == self.name)


def run(command, core, extra, prints=True):
    """The JSON object that `command` prints last, if it does, run on one core with these variables."""
    output = subprocess.run(
        command, env=os.environ | ONE_THREAD | extra, text=True, check=True, stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    ).stdout
    return json.loads(output.splitlines()[-1]) if prints else None


def spread(name, numbers, digits=3):
    return {name: round(statistics.median(numbers), digits),
            f"{name}_min": round(min(numbers), digits), f"{name}_max": round(max(numbers), digits)}


def compare_batches(batch, options, sides):
    """Runs the sides in turn and compares their images per CPU-second with ours."""
    speeds = {side: [] for side in sides}
    for _ in range(options.rounds):
        for side, (command, extra) in sides.items():
            result = run(command, options.core, extra)
            speeds[side].append(result["images_per_cpu_second"])
            say(f"batch {batch:2} {side:12} {speeds[side][-1]:7.1f} images/CPU-s"
                f" {result['peak_megabytes']:7.0f} MB")
    figures = {}
    for peer in (side for side in sides if side != "shipshape"):
        ratios = [ours / theirs for ours, theirs in zip(speeds["shipshape"], speeds[peer])]
        figures |= spread(f"batch{batch}_vs_{peer}", ratios)
    for side, numbers in speeds.items():
        figures[f"batch{batch}_{side}_images_per_cpu_second"] = round(statistics.median(numbers), 1)
    return figures


def report(figures):
    """Prints the figures as a table, and as one JSON object behind it."""
    numbers = (int, float)
    medians = [name for name, value in figures.items()
               if type(value) in numbers and not name.endswith(("_min", "_max"))]
    width = max(map(len, medians))
    print(f"{'':{width}} {'median':>10} {'min':>10} {'max':>10}")
    for name in medians:
        values = [figures.get(key, "") for key in (name, f"{name}_min", f"{name}_max")]
        print(f"{name:{width}} " + " ".join(f"{value!s:>10}" for value in values))
    print(json.dumps(figures))


def has_avx512():
    return "avx512f" in pathlib.Path("/proc/cpuinfo").read_text().split()
