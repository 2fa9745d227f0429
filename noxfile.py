# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's quality sessions, the same for a developer and in continuous integration.

Every session works in the one locked environment (`make setup`), counts what it judged and leaves
the count for the closing table of `make test`. One session alone:
`.venv/bin/nox -s unit -- -k digest`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import sys
from pathlib import Path

import nox

CHECKOUT = Path(__file__).resolve().parent
sys.path.insert(0, str(CHECKOUT / "scripts"))

# nox runs this file on its own, so the path to the shared counting has to come first.
from parts import (
    RESULTS,
    Count,
    count_junit,
    run,
    run_captured,
)

nox.options.default_venv_backend = "none"
nox.options.sessions = [
    "lint",
    "unit",
    "sanity",
    "lab",
    "release",
    "fetch",
    "integration",
    "molecule",
]

CACHE = Path(os.environ.get("STT_CACHE") or Path.home() / ".cache" / "stt-engine")
PYTHON_PATHS = ("checks", "docker", "plugins", "scripts", "tests", "noxfile.py")
SANITY_PYTHON = "3.11"
FETCH = "tests/integration/test_model_fetch*.py"
# Of the tests on the lab, what runs every time.
USUAL = ("-m", "not long")
SHELL = re.compile(rb"#!\S*(?:/env )?(?:.*/)?(?:ba)?sh\b")


def finish(session: nox.Session, count: Count) -> None:
    """Leave the count and let the session fail when a check failed."""
    count.write()
    if count.failed:
        session.error("; ".join(count.failed))


@nox.session
def lint(session: nox.Session) -> None:
    """Judge the text of the project: nothing is run on a server."""
    python = sys.executable
    judges = {
        "ruff": ["ruff", "check", *PYTHON_PATHS],
        "ruff format": ["ruff", "format", "--check", *PYTHON_PATHS],
        "mypy plugins": ["mypy", "-p", "ansible_collections.stt.engine.plugins"],
        "mypy checks": ["mypy", "checks"],
        "mypy engine": ["mypy", "docker"],
        "mypy tests": [
            "mypy",
            "tests/lab",
            "tests/bench",
            "tests/fixtures",
            "scripts",
            "noxfile.py",
        ],
        "shellcheck": ["shellcheck", *shell_scripts()],
        "yamllint": ["yamllint", "--strict", "."],
        "ansible-lint": ["ansible-lint", "--offline", "--strict", "--profile", "production"],
        "licences": ["reuse", "lint", "--quiet"],
        "changelog": ["antsibull-changelog", "lint"],
        "argument specs": [python, "scripts/check_argument_specs.py"],
        "built collection": [python, "scripts/check_collection.py"],
    }
    count = Count("lint")
    for name, command in judges.items():
        if not session.posargs or name in session.posargs:
            count.add(name, passed=run(*command) == 0)
    finish(session, count)


def shell_scripts() -> list[str]:
    """Every tracked file that says it is a shell script, whatever it is called."""
    _status, listing = run_captured("git", "ls-files")
    tracked = [CHECKOUT / name for name in listing.splitlines()]
    plain = [path for path in tracked if path.is_file() and not path.is_symlink()]
    return [str(path) for path in plain if SHELL.match(path.read_bytes()[:40])]


def run_pytest(session: nox.Session, part: str, *options: str) -> None:
    """Run pytest over a directory or files and count its cases."""
    result = RESULTS / f"{part}.xml"
    result.unlink(missing_ok=True)
    status = run("pytest", f"--junitxml={result}", *options, *session.posargs)
    count = Count(part)
    count_junit(count, result)
    if status != 0 and not count.failed:
        count.failed.append(f"pytest ended with {status}")
    coverage = RESULTS / "coverage.json"
    if part == "unit" and coverage.is_file():
        totals = json.loads(coverage.read_text(encoding="utf-8"))["totals"]
        count.note = f"coverage {totals['percent_covered']:.0f} %"
    finish(session, count)


@nox.session
def unit(session: nox.Session) -> None:
    """Test plugins, checks and the service, each alone, with coverage."""
    report = f"--cov-report=json:{RESULTS / 'coverage.json'}"
    run_pytest(session, "unit", "tests/unit", "--cov", "--cov-report=term", report)


@nox.session
def integration(session: nox.Session) -> None:
    """Test the modules on the lab's build server: a real engine, hub, conversion and model."""
    run_pytest(session, "integration", "tests/integration", f"--ignore-glob={FETCH}", *USUAL)


@nox.session
def fetch(session: nox.Session) -> None:
    """Test fetching against a hub of its own on loopback: it needs no lab."""
    run_pytest(session, "fetch", *map(str, sorted(CHECKOUT.glob(FETCH))))


@nox.session
def release(session: nox.Session) -> None:
    """Make whole releases on the lab and judge them from outside."""
    run_pytest(session, "release", "tests/release", *USUAL)


@nox.session
def long(session: nox.Session) -> None:
    """Run the tests on the lab that are too long for every run."""
    run_pytest(session, "long", "tests/release", "tests/integration", "-m", "long")


@nox.session
def sanity(session: nox.Session) -> None:
    """Run ansible-test's sanity tests over a copy of the checkout, without an ignore file."""
    copy = CACHE / "sanity" / "ansible_collections" / "stt" / "engine"
    copy_checkout(copy)
    prepare_bootstrap()
    status, _output = run_captured(
        "ansible-test", "sanity", "--python", SANITY_PYTHON, "--requirements", "--junit",
        "--color", "no", *session.posargs, cwd=copy,
    )  # fmt: skip
    count = Count("sanity")
    count_junit(count, *sorted((copy / "tests" / "output" / "junit").glob("*.xml")))
    if status != 0 and not count.failed:
        count.failed.append(f"ansible-test ended with {status}")
    finish(session, count)


def copy_checkout(destination: Path) -> None:
    """Put a real copy of what git knows, or would add, where ansible-test accepts it."""
    shutil.rmtree(destination, ignore_errors=True)
    _status, listing = run_captured("git", "ls-files", "--cached", "--others", "--exclude-standard")
    for name in listing.splitlines():
        source, target = CHECKOUT / name, destination / name
        if source.is_symlink() or source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)


def prepare_bootstrap() -> None:
    """Give ansible-test our pip bootstrap script where it looks before it downloads one."""
    package = importlib.util.find_spec("ansible_test")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("ansible_test: found no package; needed ansible-core's; fix: make setup")
    requirements = Path(
        package.submodule_search_locations[0], "_internal", "python_requirements.py"
    )
    version = re.search(r"\bpip='([\d.]+)'", requirements.read_text(encoding="utf-8"))
    if version is None:
        raise RuntimeError(f"{requirements}: found no version of pip; needed the one it bootstraps")
    name = f"get_pip_{version[1].replace('.', '_')}.py"
    cached = Path.home() / ".ansible" / "test" / "cache" / name
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / "tests" / "sanity" / "get_pip.py", cached)


@nox.session
def lab(session: nox.Session) -> None:
    """Bring the lab up, and once more to see that this changes nothing and takes seconds."""
    count = Count("lab")
    count.add("make lab-up", passed=run("make", "lab-up") == 0)
    if not count.failed:
        count.add("make lab-up again", passed=run("make", "lab-up") == 0)
    finish(session, count)


@nox.session
def molecule(session: nox.Session) -> None:
    """Run every role's molecule scenario on the lab's build server."""
    scenarios = sorted(
        path.parent.name for path in CHECKOUT.glob("extensions/molecule/*/molecule.yml")
    )
    count = Count("molecule")
    # An interrupted run leaves its state behind, and with it `prepare` would be left out.
    run("molecule", "destroy", "-s", "default")
    for scenario in scenarios:
        if scenario != "default" and (not session.posargs or scenario in session.posargs):
            count.add(scenario, passed=run("molecule", "test", "-s", scenario) == 0)
    finish(session, count)
