# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every failure that a role, a module or a check can tell says found, needed and fix.

The messages are collected from the code itself, so that a new one is judged without being listed;
each collector must find at least as many as there were, or it has gone blind.
"""

from __future__ import annotations

import ast
import builtins
import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import yaml
from stt_checks import catalogue
from stt_checks.settings import Conversion, Expected, Settings

from tests.unit.messages import python, yaml_tasks
from tests.unit.messages.collected import VALUE, Message, sentence, wanting

CHECKOUT = Path(__file__).resolve().parents[3]
PLUGINS = sorted((CHECKOUT / "plugins").rglob("*.py"))
TASKS = sorted([*CHECKOUT.glob("roles/*/tasks/*.yml"), *CHECKOUT.glob("playbooks/*.yml")])
SCRIPTS = sorted(CHECKOUT.glob("roles/*/files/*.sh"))
# How many there were when this was written, less a few that may go.
LEAST = {"errors": 190, "findings": 40, "tasks": 26, "checks": 60, "outcomes": 130, "scripts": 20}
Count = Callable[[str, object], None]

# Exceptions that another file catches, or that can only be a mistake in the code.
INTERNAL = {
    "_fetch_copy.py EOFError": "caught beside OSError, as damage of what was brought",
    "_hub_xet_child.py OSError": "the child's end is told by its parent",
    "_store.py ValueError": "a path that only the code itself can have made",
    "_verify_container.py AssertionError": "a process that was started with pipes has them",
    "_verify_base.py AssertionError": "a process that was started with pipes has them",
    "_yaml_text.py TypeError": "only what a module returned is written as YAML",
    "_convert_payload.py SystemExit": "the end of a program",
}


@pytest.fixture(scope="module")
def plugins() -> python.Code:
    return python.read(PLUGINS)


def judge(messages: Iterable[Message], name: str, record_property: Count) -> None:
    """None is wanting, and there are as many as there have to be."""
    found = list(messages)
    record_property(f"messages: {name}", len(found))
    assert [problem for message in found for problem in message.problems()] == []
    assert len(found) >= LEAST[name], f"only {len(found)} {name}: the collector has gone blind"


def errors(code: python.Code) -> list[Message]:
    """Every SttError, and every other error that carries the same words into one."""
    found = []
    for module, call in (entry for calls in code.calls.values() for entry in calls):
        kind = python.called(call)
        parts = {name: python.keyword(call, name) for name in ("found", "needed", "fix")}
        given = {name: node for name, node in parts.items() if node is not None}
        if kind == "SttError" or (kind.endswith("Error") and "fix" in given):
            # What the others name is the path or command that their caller knows.
            first = call.args[0] if call.args else None
            named = first if kind == "SttError" else ast.Constant("another's object")
            given |= {"object": named} if named is not None else {}
            found.append(python.message(code, module, call, kind, **given))
    return found


def findings(code: python.Code) -> list[Message]:
    """What the judges of files add, four words at a time."""
    fields = ("object", "found", "needed", "fix")
    return [
        python.message(code, module, call, "finding", **dict(zip(fields, call.args, strict=True)))
        for module, call in code.calls["add"]
        if len(call.args) == len(fields)
    ]


def test_errors_of_the_code(plugins: python.Code, record_property: Count) -> None:
    judge(errors(plugins), "errors", record_property)


def test_findings_about_models(plugins: python.Code, record_property: Count) -> None:
    judge(findings(plugins), "findings", record_property)


def test_tasks_of_roles_and_playbooks(record_property: Count) -> None:
    judge((m for path in TASKS for m in yaml_tasks.read(path)), "tasks", record_property)


def test_a_failure_that_is_not_our_own_is_told_in_the_same_words() -> None:
    """A command, an archive that cannot be unpacked: Ansible's words become what was found."""
    variables = yaml.safe_load((CHECKOUT / "roles/release_seal/vars/main.yml").read_text())
    text = yaml_tasks.TEMPLATE.sub(VALUE, variables["__release_seal_foreign_failure"])
    assert sentence("release_seal", "failure", text).problems() == []
    for name in ("failure.yml", "refuted.yml"):
        tasks = (CHECKOUT / "roles/release_seal/tasks" / name).read_text(encoding="utf-8")
        assert "__release_seal_told" in tasks


def test_what_modules_fail_with_is_one_of_these_messages(plugins: python.Code) -> None:
    calls = plugins.calls["fail_json"]
    assert len(calls) >= 10
    for module, call in calls:
        said = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert said.get(None) == "error.result()" or said["msg"].startswith("failure_message("), (
            f"{module.path}:{call.lineno}: fail_json with words of its own"
        )


def raised(code: python.Code) -> set[str]:
    """File and name of every exception that is raised, is no SttError and not caught there."""
    found = set()
    for module in code.modules:
        here = [getattr(builtins, name, None) for name in caught(module)]
        for node in module.nodes(ast.Raise):
            error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if isinstance(error, ast.Name) and error.id.endswith(("Error", "Exit")):
                kind = getattr(builtins, error.id, Exception)
                if not any(isinstance(one, type) and issubclass(kind, one) for one in here):
                    found.add(f"{module.path.name} {error.id}")
    return {name for name in found if not name.endswith(" SttError")}


def caught(module: python.Module) -> set[str]:
    """Names of the exceptions that a file catches, but not those of whoever catches all."""
    handlers = [handler.type for handler in module.nodes(ast.ExceptHandler) if handler.type]
    names = {n.id for one in handlers for n in ast.walk(one) if isinstance(n, ast.Name)}
    return names - {"Exception", "BaseException"}


def test_no_other_exception_reaches_whoever_runs_it(plugins: python.Code) -> None:
    everywhere = set().union(*(caught(module) for module in plugins.modules))
    own = {node.name for module in plugins.modules for node in module.nodes(ast.ClassDef)}
    others = {name for name in raised(plugins) if name.split()[1] not in everywhere & own}
    filters = {name for name in others if name.endswith(" AnsibleFilterError")}
    assert others - filters == set(INTERNAL)
    for module, call in plugins.calls["AnsibleFilterError"]:
        if ast.unparse(call.args[0]) != "str(error)":
            texts = python.Texts(plugins, "msg").of(call.args[0], module)
            for one in texts:
                assert sentence(str(module.path), "filter", one).problems() == []


def everything_compared() -> Settings:
    """Settings that call for every check that there is."""
    other = Conversion("int8", "quantizations/int8", ({"path": "model.bin"},))
    served = Expected(quantization="int8_float16")
    models = (Path("/app/models"), "ctranslate2_model", "original")
    return Settings(*models, expected=served, alternatives=(other,))


def test_checks_in_the_container(record_property: Count) -> None:
    settings = everything_compared()
    judge(
        [
            Message(
                f"check {one.key}",
                "check",
                {
                    "object": (one.key,),
                    # Each outcome brings its own; these are collected below.
                    "found": (VALUE,),
                    "needed": (one.expected(settings),),
                    "fix": (one.fix,),
                },
            )
            for one in catalogue.checks(settings=settings)
        ],
        "checks",
        record_property,
    )


OUTCOMES = {"failed": (0, "found"), "CheckFailedError": (0, "found"), "require": (1, "found")}


def test_outcomes_of_checks(record_property: Count) -> None:
    """Found is said each time; a fix of its own where the check's does not do."""
    code = python.read(sorted((CHECKOUT / "checks").rglob("*.py")))
    found = []
    for name, (position, part) in OUTCOMES.items():
        for module, call in code.calls[name]:
            if len(call.args) > position:
                said = python.message(code, module, call, name, **{part: call.args[position]})
                own = python.Texts(code, "fix").of(python.keyword(call, "fix"), module)
                # Without one, the check's own advice and expectation are told.
                parts = {"object": (name,), "needed": (VALUE,), "fix": sorted(own - {"", VALUE})}
                parts["fix"] = parts["fix"] or ("the check's own",)
                found.append(Message(said.where, name, {**parts, **said.texts}))
    judge(found, "outcomes", record_property)


def told(script: str) -> list[Message]:
    """What a shell script refutes or cannot judge: object, found, needed and fix."""
    kept = dict(re.findall(r"^ *(\w+)=\"([^\"$]*)\"", script, re.MULTILINE))
    lines = re.sub(r"\\\n\s*", " ", script).splitlines()
    found = []
    for line in lines:
        match = re.search(r"\b(refuted|unjudged|stop) \"(?!\$@)", line)
        if match and not line.lstrip().startswith("#"):
            given = shlex.split(line[match.start() :].partition(";;")[0], comments=True)[1:5]
            whole = [kept.get(word.removeprefix("$"), word) for word in given]
            texts = [re.sub(r"\$\{[^}]*\}|\$\w+|\$\(.*?\)", VALUE, word) for word in whole]
            fields = ("object", "found", "needed", "fix")
            parts = {name: (text,) for name, text in zip(fields, texts, strict=False)}
            found.append(Message("script", match[1], parts))
    return found


def test_the_scripts_of_a_release(record_property: Count) -> None:
    messages = [m for path in SCRIPTS for m in told(path.read_text(encoding="utf-8"))]
    judge(messages, "scripts", record_property)


BAD_CODE = {
    "fix: missing": 'raise SttError("model", found="b", needed="c d")',
    "fix: empty": 'raise SttError("model", found="b", needed="c d", fix="")',
    "fix: no advice in 'retry'": 'raise SttError("model", found="b", needed="c d", fix="retry")',
    "fix: no advice in '…'": 'raise SttError("model", found="b", needed="c d", fix=f"{compute()}")',
    "found: missing": 'raise SttError("model", needed="c d", fix="mend it")',
    "needed: empty": 'raise SttError("model", found="b", needed=" ", fix="mend it")',
    "object: missing": 'raise SttError(found="b", needed="c d", fix="mend it")',
    "fix: an unfinished or hollow 'mend it and'": (
        'raise SttError("model", found="b", needed="c d", fix="mend it and")'
    ),
}
# The advice of a helper is what its callers give.
THROUGH_A_HELPER = """
def helper(found, fix):
    return SttError("model", found=found, needed="c d", fix=fix)

def good():
    raise helper("b", "mend it")

def bad():
    raise helper("b", "" if here() else "mend it")
"""


@pytest.mark.parametrize("problem", BAD_CODE)
def test_code_without_a_part_is_seen(problem: str, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD_CODE[problem])
    (message,) = errors(python.read([tmp_path / "bad.py"]))
    assert [one.partition("SttError: ")[2] for one in message.problems()] == [problem]


def test_advice_is_followed_to_where_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text(THROUGH_A_HELPER)
    (message,) = errors(python.read([tmp_path / "helper.py"]))
    assert sorted(message.texts["fix"]) == ["", "mend it"]
    assert len(message.problems()) == 1


BAD_TASKS = """
- block:
    - name: A failure in a block
      ansible.builtin.fail:
        msg: "the host {{ inventory_hostname }} is not good enough"
- ansible.builtin.assert:
    that: good
    fail_msg: "{{ thing }}: found {{ x }}; needed {{ y }}; fix: {{ z }}"
- ansible.builtin.assert:
    that: good
- stt.engine.stt_checks:
    checks:
      - {id: R1.1, name: one, that: [true], expected: good, found: bad, fix: ""}
      - {id: R1.1, name: two, that: [true], expected: good, found: bad}
      - {id: R1.1, name: three, that: [true], expected: good, found: "{{ it }}", fix: Mend it.}
- ansible.builtin.set_fact:
    results:
      - {id: R1.1, name: four, status: "{{ s }}", expected: good, found: bad, fix: ""}
      - {id: R1.1, name: five, status: passed, expected: good, found: good, fix: ""}
"""


def test_tasks_without_a_part_are_seen(tmp_path: Path) -> None:
    (tmp_path / "main.yml").write_text(BAD_TASKS)
    messages = yaml_tasks.read(tmp_path / "main.yml")
    wrong = [[p.rsplit(": ", 1)[0].split(": ")[-1] for p in m.problems()] for m in messages]
    everything = ["found", "needed", "fix"]
    assert wrong == [everything, ["fix"], ["object", *everything], ["fix"], ["fix"], [], ["fix"]]


def test_scripts_without_a_part_are_seen() -> None:
    (message,) = told('refuted "the list" "$said" \\\n    "the signed one"\n')
    assert [one.split(": ")[1] for one in message.problems()] == ["fix"]


def test_an_exception_that_nobody_catches_is_seen(tmp_path: Path) -> None:
    text = "class OwnError(Exception): ...\nraise OwnError('x')\nraise ValueError('x')\n"
    (tmp_path / "bad.py").write_text(text)
    code = python.read([tmp_path / "bad.py"])
    assert raised(code) == {"bad.py OwnError", "bad.py ValueError"}
    assert caught(code.modules[0]) == set()


def test_what_is_advice() -> None:
    assert wanting("fix", "correct root") == ""
    assert wanting("fix", f"remove {VALUE}") == ""
    assert wanting("fix", "unknown error") != ""
    assert wanting("found", "two\nlines") != ""
