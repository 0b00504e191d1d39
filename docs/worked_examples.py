"""The page of worked examples, from the plugin files in docs/examples, which tests run."""

from __future__ import annotations

import ast
from pathlib import Path

EXAMPLES = Path(__file__).with_name("examples")
COMMANDS = {
    "sam": "--strategies full,sam,sam:rho=0.1",
    "simclr": "--strategies full,simclr-then-full",
    "fixmatch": "--datasets digits:train=40 --strategies full,fixmatch",
    "zero_shot": "--strategies zero-shot:embeddings=classes.safetensors",
    "microscopy": "--datasets cells:path=slides --backbones timm/resnet18",
    "detector_body": "--backbones ssdlite-body,resnet18",
    "per_class": "--strategies freeze,full",
    "private_tracker": "--reporters tracker:url=https://tracker.example.org/trials",
}
"""What follows `tlbench run --plugin FILE`."""
HEAD = """# Worked examples

Each is one file, used by `tlbench run --plugin FILE`; a test runs it. [Contracts](contracts.md) has all that a plugin
brings and is given. What is heavy is imported inside the functions that need it, as for a plugin that is installed.
"""


def page() -> str:
    """All of them."""
    return "\n".join([HEAD, *map(_section, COMMANDS)])


def _section(name: str) -> str:
    source = (EXAMPLES / f"{name}.py").read_text("utf-8")
    said = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
    title = said.partition(":")[0].partition(" (")[0].rstrip(".")
    return (
        f"## {title}\n\n{said}\n\n```\ntlbench run --plugin {name}.py {COMMANDS[name]}\n```\n\n"
        f"```python\n{source.strip()}\n```\n"
    )
