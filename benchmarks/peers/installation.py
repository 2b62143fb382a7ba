"""Install the rivals into a folder, from PyPI and Debian, and train the model that everybody serves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
DEBIAN = ("g++", "libgrpc++-dev", "libprotobuf-dev", "pkg-config")
FEATURES = 40
NAN_SHARE = 0.05


@dataclass(frozen=True)
class Forest:
    """The model's size."""

    trees: int = 300
    leaves: int = 63
    training_rows: int = 100_000
    rows: int = 20_000


@dataclass(frozen=True)
class Place:
    """Where everything is in the folder."""

    home: Path

    @property
    def rows(self) -> Path:
        """float32[n, 40] that servers are asked about."""
        return self.home / "rows.npy"

    @property
    def scores(self) -> Path:
        """float64[n], LightGBM's own answers."""
        return self.home / "scores.npy"

    @property
    def repository(self) -> Path:
        """Our model repository."""
        return self.home / "repository"

    @property
    def graph(self) -> Path:
        """The exported forest, which Triton runs too."""
        return self.repository / "forest" / "1" / "model.onnx"

    @property
    def echo(self) -> Path:
        """The compiled echo server."""
        return self.home / "echo"

    @property
    def triton(self) -> Path:
        """Triton: environment, model repository, backends."""
        return self.home / "triton"

    @property
    def mlserver(self) -> Path:
        """MLServer: environment and model folder."""
        return self.home / "mlserver"


def install(place: Place) -> None:
    """Install what is missing; about 2 GB and a few minutes the first time."""
    place.home.mkdir(parents=True, exist_ok=True)
    train(place, Forest())
    _build_echo(place)
    _install_triton(place)
    _install_mlserver(place)


def train(place: Place, forest: Forest) -> None:
    """Train and export the forest, and keep rows with LightGBM's answers to them."""
    if place.scores.exists():
        return
    import lightgbm

    from headrace.packaging.export import export_lightgbm

    random = np.random.default_rng(0)
    values = random.standard_normal((forest.training_rows + forest.rows, FEATURES), dtype=np.float32)
    signal = (values[:, :10] ** 2).sum(axis=1) + 3 * values[:, 10] * values[:, 11]
    labels = signal + random.normal(size=len(values)) > 10  # about half of them
    values[random.random(values.shape) < NAN_SHARE] = np.nan
    parameters = {"objective": "binary", "num_leaves": forest.leaves, "learning_rate": 0.05, "verbose": -1, "seed": 0}
    known = forest.training_rows
    booster = lightgbm.train(parameters, lightgbm.Dataset(values[:known], labels[:known]), forest.trees)
    place.graph.parent.mkdir(parents=True, exist_ok=True)
    place.graph.write_bytes(export_lightgbm(booster))
    place.mlserver.mkdir(parents=True, exist_ok=True)
    booster.save_model(place.mlserver / "model.bst")
    np.save(place.rows, values[known:])
    np.save(place.scores, booster.predict(values[known:].astype(np.float64), num_threads=1))


def _build_echo(place: Place) -> None:
    if place.echo.exists():
        return
    flags = _grpc_flags()
    if flags is None:
        _say("Debian packages of gRPC for C++")
        command = ["apt-get", "install", "-y", "-qq", *DEBIAN]
        subprocess.run(command if os.geteuid() == 0 else ["sudo", *command], check=True, stdout=subprocess.DEVNULL)
        flags = _grpc_flags() or []
    _say("the echo server")
    subprocess.run(["g++", "-O2", "-std=c++17", str(HERE / "echo.cc"), "-o", str(place.echo), *flags], check=True)


def _grpc_flags() -> list[str] | None:
    if shutil.which("pkg-config") is None:
        return None
    ran = subprocess.run(["pkg-config", "--cflags", "--libs", "grpc++"], capture_output=True, text=True, check=False)
    return ran.stdout.split() if ran.returncode == 0 else None


def _install_triton(place: Place) -> None:
    python = _environment(place.triton / "venv", HERE / "triton.txt")
    model = place.triton / "models" / "forest"
    (model / "1").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "triton_config.pbtxt", model / "config.pbtxt")
    shutil.copyfile(HERE / "triton_model.py", model / "1" / "model.py")
    wheel = site_packages(place.triton) / "pytriton"
    backend = place.triton / "backends" / "python"
    shutil.copytree(wheel / "tritonserver" / "backends" / "python", backend, dirs_exist_ok=True)
    version = subprocess.run(
        [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True, check=True
    ).stdout.strip()
    stub = wheel / "tritonserver" / "python_backend_stubs" / version / "triton_python_backend_stub"
    shutil.copy(stub, backend / "triton_python_backend_stub")


def _install_mlserver(place: Place) -> None:
    _environment(place.mlserver / "venv", HERE / "mlserver.txt")


def site_packages(folder: Path) -> Path:
    """Where an environment keeps its packages."""
    return next((folder / "venv" / "lib").glob("python3*")) / "site-packages"


def _environment(folder: Path, requirements: Path) -> str:
    python = str(folder / "bin" / "python")
    if not (folder / ".installed").exists():
        _say(f"{', '.join(requirements.read_text().split())}")
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        # The pins of this project are not the rivals'.
        environment = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)]
        subprocess.run(install, check=True, env=environment)
        (folder / ".installed").touch()
    return python


def _say(what: str) -> None:
    print(f"installing {what}", flush=True)
