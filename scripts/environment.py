"""Packages of others that a script needs, in a virtual environment in the user's cache."""

import os
import pathlib
import subprocess
import sys
import venv

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")


def enter(name, *packages):
    """Goes on with this script from its beginning where these are installed; returns once it is there."""
    home = CACHE / "shipshape" / "peers" / name / "venv"
    if pathlib.Path(sys.prefix) == home:
        return
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    os.execv(python, [str(python), *sys.argv])
