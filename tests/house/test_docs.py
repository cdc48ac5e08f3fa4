"""What the documents say can be followed: links lead somewhere, commands and options exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
from house_sources import ROOT, committed, text

from app.cli import main
from app.cli._commissioning import Answers
from meters.gateway_config import GatewayConfig

DOCUMENTS = tuple(path for path in committed() if path.suffix == ".md")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```[a-z]*\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)


def dead_links(document: Path, content: str) -> list[str]:
    """Relative links of a document that lead nowhere."""
    targets = [target.partition("#")[0] for target in LINK.findall(content) if "://" not in target]
    return [target for target in targets if target and not (ROOT / document.parent / target).exists()]


def commands_in(content: str) -> Iterator[list[str]]:
    """The words after `commonwatt` of each command in a document's code blocks, continued lines joined."""
    for block in FENCE.findall(content):
        for line in block.replace("\\\n", " ").splitlines():
            call = re.search(r"(?:^|\s|/)commonwatt (.+)$", line.partition("  #")[0])
            if call:
                yield shlex.split(call[1])


def mistake(words: list[str]) -> str:
    """What the command line would not understand in a documented command, empty when nothing."""
    command: click.Command = main
    context = click.Context(main)
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest.pop(0))
        if found is None:
            return f"{' '.join(words)}: no such command"
        command = found
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in rest if word.startswith("--") and word.partition("=")[0] not in known | {"--help"}]
    return f"{' '.join(words)}: no option {' '.join(unknown)}" if unknown else ""


def test_links_lead_somewhere() -> None:
    dead = {str(document): dead_links(document, text(document)) for document in DOCUMENTS}
    assert not {document: links for document, links in dead.items() if links}


def test_a_dead_link_is_found() -> None:
    assert dead_links(Path("docs/x.md"), "[a](nowhere.md) [b](#here) [c](../README.md#top)") == ["nowhere.md"]


def test_documented_commands_and_options_exist() -> None:
    calls = [words for document in DOCUMENTS for words in commands_in(text(document))]
    assert len(calls) > 10
    assert not [problem for words in calls if (problem := mistake(words))]


def test_a_command_or_option_that_does_not_exist_is_found() -> None:
    lines = [
        ".venv/bin/commonwatt chain serve --state x \\",
        "  --speling 3   # comment --here",
        "commonwatt sell-farm",
    ]
    block = "\n".join(["```", *lines, "```", ""])
    problems = [mistake(words) for words in commands_in(block)]
    assert problems == ["chain serve --state x --speling 3: no option --speling", "sell-farm: no such command"]


def test_the_configuration_and_the_answers_in_the_gateway_guide_are_accepted(tmp_path: Path) -> None:
    guide = text(Path("docs/gateway-guide.md"))
    gateway, control, answers = re.findall(r"^```toml\n(.*?)^```", guide, flags=re.MULTILINE | re.DOTALL)
    path = tmp_path / "gateway.toml"
    for configuration in (gateway, gateway.partition("[meter.control]")[0] + control):
        path.write_text(configuration, encoding="utf-8")
        assert [meter.device for meter in GatewayConfig.load(path).meters] == ["D017"]
    path.write_text(answers, encoding="utf-8")
    assert Answers(path).load_w("D017", 3) == 2000


def test_make_targets_named_in_documents_exist() -> None:
    makefile = text(Path("Makefile"))
    named = {target for document in DOCUMENTS for target in re.findall(r"`?make ([a-z-]+)", "\n".join(code(document)))}
    assert {"demo", "test", "check"} <= named
    assert not [target for target in named if not re.search(rf"^{target}:", makefile, flags=re.MULTILINE)]


def code(document: Path) -> list[str]:
    """Code blocks and quoted code of a document."""
    content = text(document)
    return [*FENCE.findall(content), *(quoted for quoted in re.findall(r"`([^`\n]+)`", content))]
