"""Installs the clients under the user's cache directory, each once: a directory is named by what it is made from, and has its name only when
it is complete. What cannot be installed raises, and the test that needs it fails. Debian's packages are those of tools/install-deps clients.
"""
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "baton-clients"
TIME_MAX = 600  # seconds, for one command


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=TIME_MAX, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def made_once(name, sources, make, also=""):
    """The directory NAME-HASH, made by make(directory) if it is not there. Processes wait for each other."""
    digest = hashlib.sha256(also.encode())
    for source in sources:
        digest.update(source.read_bytes())
    directory = CACHE / f"{name}-{digest.hexdigest()[:16]}"
    if (directory / "complete").exists():
        return directory
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "complete").exists():
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            make(directory)
            (directory / "complete").touch()
    return directory


@functools.cache
def python_packages(name="python", requirements=HERE / "requirements.txt"):
    """The directory to add to sys.path."""
    def make(directory):
        run(sys.executable, "-m", "venv", directory)
        run(directory / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements)
    # A virtual environment holds where it is, and its packages are for one version of Python.
    directory = made_once(name, [requirements], make, also=sys.version + sys.executable)
    return directory / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


@functools.cache
def node_driver():
    """The command of kafkajs."""
    def make(directory):
        for file in ("package.json", "driver.js"):
            shutil.copy(HERE / file, directory)
        run("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", cwd=directory)
    return ["node", made_once("node", [HERE / "package.json", HERE / "driver.js"], make) / "driver.js"]


@functools.cache
def java_driver(version):
    """The command of the Java client; version: 3.9 or 4.3."""
    libs = Path(run(ROOT / "tools/peers/kafka", "libs").strip())
    jars = {"4.3": [], "3.9": [Path(run(ROOT / "tools/peers/kafka", "old-libs").strip())]}[version]
    path = ":".join(f"{jar}/*" for jar in [*jars, libs])  # the first that has a class gives it
    source = HERE / "Driver.java"

    def make(directory):
        run("javac", "-Xlint:all,-serial,-path,-classfile,-processing", "-d", directory, "-cp", path, source)
    classes = made_once(f"java-{version}", [source], make, also=path)
    return ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{classes}:{path}", "Driver"]


@functools.cache
def go_driver(client):
    """The path of the program over a client in Go: franz-go or sarama. The packages and what is compiled of them are kept beside it.

    The versions in go.mod are the newest that Debian's Go 1.19 compiles.
    """
    sources = sorted(p for p in (HERE / "go").rglob("*") if p.is_file())
    package = {"franz-go": "franz", "sarama": "sarama"}[client]

    def make(directory):
        kept = {"GOPATH": CACHE / "go", "GOCACHE": CACHE / "go-build", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
        run("go", "build", "-o", directory / package, f"./{package}", cwd=HERE / "go", env=os.environ | {k: str(v) for k, v in kept.items()})
    return made_once(client, sources, make) / package


@functools.cache
def c_program():
    """The path of the program over librdkafka, as Debian has it."""
    source = HERE / "rdkafka.c"

    def make(directory):
        run("cc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", source, "-o", directory / "rdkafka", "-lrdkafka")
    return made_once("rdkafka", [source], make) / "rdkafka"
