# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the lab.

up      start a build server and a model hub in containers; what is there is kept, so a second
        call takes seconds. Installs and starts Docker where there is none (as root on Debian).
status  say what runs.
down    remove the lab's containers, its network and its data. Archives of the images, wheels
        and fixture models stay in the cache, so the next `up` is fast.

Everything is kept below $STT_CACHE (default: stt-engine in the user's cache directory).
"""

from __future__ import annotations

import argparse
import fcntl
import json
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import engine as docker_engine
from . import from_registry, hosts, hub_host, images, preflight
from .engine import Engine
from .layout import (
    BASE_IMAGE,
    BUILD_HOST,
    GATEWAY,
    HOST_IMAGE,
    HOSTS,
    HUB_ADDRESS,
    HUB_LOCAL_PORT,
    HUB_NAME,
    HUB_PORT,
    NETWORK,
    OWNER_LABEL,
    SUBNET,
    Places,
    cache_root,
)
from .shell import LabError, run

# Programs that this machine needs beside Docker, with their Debian packages.
PROGRAMS = (("ssh", "openssh-client"), ("rsync", "rsync"))


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen command; 0 when it succeeded, 1 with one sentence when not."""
    options = _parser().parse_args(arguments)
    places = Places(cache_root())
    try:
        code: int = options.command(places, options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return code


def up(places: Places, options: argparse.Namespace) -> int:
    """Bring the lab up."""
    began = time.monotonic()
    preflight.check_machine()
    engine = docker_engine.find()
    preflight.check_ports(engine)
    if engine is None or not _runs(engine):
        _say(began, f"disk: {preflight.check_disk(engine, places, options.room * 10**9)}")
    places.create()
    with _alone(places):
        engine = docker_engine.ensure(places)
        _say(began, f"Docker engine answers ({engine.client})")
        lacking = [package for program, package in PROGRAMS if shutil.which(program) is None]
        if lacking:
            docker_engine.install(*lacking)
            _say(began, f"installed {' '.join(lacking)}")
        source = _debian_source(engine, places)
        archives = {}
        for recipe in images.RECIPES:
            if images.find(recipe, places) is None:
                _say(began, f"making {recipe.tag} from Debian {recipe.suite} ...")
            archives[recipe.tag] = images.make(recipe, places, source)
            if engine.load(archives[recipe.tag].path, recipe.tag, archives[recipe.tag].image_id):
                _say(began, f"loaded {recipe.tag}")
        _network(engine)
        for host in HOSTS:
            hosts.prepare(host, places)
        hosts.write_known_hosts(places)
        if hub_host.start(engine, archives[BASE_IMAGE], places):
            _say(began, f"started {HUB_NAME}")
        for host in HOSTS:
            if hosts.start(host, engine, archives[HOST_IMAGE], places):
                _say(began, f"started {host.name}")
        for host in HOSTS:
            hosts.wait(host, engine, places)
            if hosts.load_base(host, engine, archives[BASE_IMAGE]):
                _say(began, f"loaded {BASE_IMAGE} into {host.name}")
        repositories = hub_host.wait(engine)
    _say(began, "the lab is up")
    print(
        f"  build server  ssh -i {places.key} -o UserKnownHostsFile={places.known_hosts} "
        f"-p {BUILD_HOST.ssh_port} root@127.0.0.1\n"
        f"  model hub     http://127.0.0.1:{HUB_LOCAL_PORT}, from the build server "
        f"http://{HUB_ADDRESS}:{HUB_PORT}\n"
        f"  repositories  {', '.join(repositories) or f'none yet below {places.fixtures}'}"
    )
    return 0


def status(places: Places, options: argparse.Namespace) -> int:
    """Say what runs; 0 when the whole lab answers."""
    del options
    engine = docker_engine.find()
    if engine is None:
        print("Docker engine  does not answer")
        return 1
    print(f"Docker engine  answers ({engine.client})")
    complete = True
    for name in (HUB_NAME, *(host.name for host in HOSTS)):
        found = engine.inspect("container", name)
        state = "absent" if found is None else found["State"]["Status"]
        complete = complete and state == "running"
        print(f"{name:14} {state}")
    for host in HOSTS:
        answer = run(
            hosts.ssh_command(host, places, "docker", "version", "--format={{.Server.Version}}"),
            check=False,
        )
        complete = complete and answer.returncode == 0
        said = (
            f"Docker {answer.stdout.strip()}" if answer.returncode == 0 else answer.stderr.strip()
        )
        print(f"{host.name:14} SSH: {said}")
    try:
        with urllib.request.urlopen(hub_host.HEALTH, timeout=5) as answered:
            print(f"{HUB_NAME:14} {', '.join(json.load(answered)['repositories']) or 'empty'}")
    except (urllib.error.URLError, OSError) as error:
        print(f"{HUB_NAME:14} {error}")
        complete = False
    return 0 if complete else 1


def down(places: Places, options: argparse.Namespace) -> int:
    """Remove the lab: only what carries its label."""
    engine = docker_engine.find()
    if engine is None:
        print("lab: no Docker engine answers: nothing runs")
    else:
        places.create()
        with _alone(places):
            _remove(engine, options)
            if docker_engine.stop_own(engine, places):
                print("lab: stopped the Docker engine that the lab had started")
    if options.purge and places.lab.is_dir():
        shutil.rmtree(places.lab)
        print(f"lab: removed {places.lab}")
    return 0


def _remove(engine: Engine, options: argparse.Namespace) -> None:
    label = f"label={OWNER_LABEL}"
    containers = engine.docker("ps", "--all", "--quiet", "--filter", label).stdout.split()
    if containers:
        engine.docker("rm", "--force", "--volumes", *containers)
    networks = engine.docker("network", "ls", "--quiet", "--filter", label).stdout.split()
    if networks:
        engine.docker("network", "rm", *networks)
    volumes = engine.docker("volume", "ls", "--quiet", "--filter", label).stdout.split()
    if volumes and not options.keep_data:
        engine.docker("volume", "rm", *volumes, timeout=600)
    kept = ", its data is kept" if options.keep_data and volumes else ""
    print(f"lab: removed {len(containers)} containers, {len(networks)} networks{kept}")
    if options.purge:
        tags = [recipe.tag for recipe in images.RECIPES if engine.inspect("image", recipe.tag)]
        if tags:
            engine.docker("rmi", *tags)


def _runs(engine: Engine) -> bool:
    """Tell whether all of the lab's containers run already."""
    for name in (HUB_NAME, *(host.name for host in HOSTS)):
        found = engine.inspect("container", name)
        if found is None or not found["State"]["Running"]:
            return False
    return True


def _debian_source(engine: Engine, places: Places) -> Callable[[images.Recipe, Path], None]:
    """Return what makes a Debian tree here: mmdebstrap, or a registry where that cannot be had."""
    missing = any(images.find(recipe, places) is None for recipe in images.RECIPES)
    if missing and shutil.which("mmdebstrap") is None:
        if not docker_engine.can_install():
            return lambda recipe, layer: from_registry.bootstrap(recipe, layer, engine)
        docker_engine.install("mmdebstrap")
    return images.bootstrap


def _network(engine: Engine) -> None:
    found = engine.inspect("network", NETWORK)
    if found is not None:
        subnets = [entry.get("Subnet") for entry in found["IPAM"]["Config"]]
        if subnets != [SUBNET]:
            raise LabError(f"{NETWORK}: a network of this name has {subnets}; needed {SUBNET}")
        return
    engine.docker(
        "network",
        "create",
        f"--subnet={SUBNET}",
        f"--gateway={GATEWAY}",
        f"--label={OWNER_LABEL}",
        NETWORK,
    )


@contextmanager
def _alone(places: Places) -> Iterator[None]:
    """Let one command at a time change the lab; a second one waits."""
    with (places.lab / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(began: float, text: str) -> None:
    print(f"lab: {time.monotonic() - began:5.1f} s  {text}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="up|status|down")
    starting = commands.add_parser("up", help=up.__doc__, description=up.__doc__)
    starting.add_argument(
        "--room",
        type=int,
        default=preflight.WORK_ROOM // 10**9,
        metavar="GB",
        help="room for images and models in the build server (default %(default)s)",
    )
    starting.set_defaults(command=up)
    showing = commands.add_parser("status", help=status.__doc__, description=status.__doc__)
    showing.set_defaults(command=status)
    removing = commands.add_parser("down", help=down.__doc__, description=down.__doc__)
    removing.add_argument(
        "--keep-data", action="store_true", help="keep the servers' images and models"
    )
    removing.add_argument(
        "--purge", action="store_true", help="remove the images, their archives and the keys too"
    )
    removing.set_defaults(command=down)
    return parser
