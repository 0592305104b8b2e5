"""Extracts the facts of the ECR service model from botocore into `ecr-model.json`.

    pip download --no-deps botocore==<version>
    python crates/model/extract.py botocore-<version>-py3-none-any.whl

A wheel or a directory that holds the unpacked package is taken. Only facts are kept: names, types, constraints,
errors, paginators and waiters; the model's prose stays where it is. Members are lists because their order matters:
the first violated member is the one reported.
"""

import gzip
import json
import re
import sys
import zipfile
from pathlib import Path

SERVICE = "ecr"
CONSTRAINTS = ("min", "max", "pattern", "enum", "sensitive")


class Package:
    """Files of the package, read from a wheel or from a directory."""

    def __init__(self, path):
        self.path = Path(path)
        self.archive = None if self.path.is_dir() else zipfile.ZipFile(self.path)

    def names(self):
        if self.archive:
            return self.archive.namelist()
        return [str(file.relative_to(self.path)) for file in self.path.rglob("*") if file.is_file()]

    def read(self, name):
        data = self.archive.read(name) if self.archive else (self.path / name).read_bytes()
        return gzip.decompress(data) if name.endswith(".gz") else data

    def version(self):
        text = self.read("botocore/__init__.py").decode()
        return re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE).group(1)

    def service_file(self, stem):
        folders = {n.split("/")[3] for n in self.names() if n.startswith(f"botocore/data/{SERVICE}/")}
        prefix = f"botocore/data/{SERVICE}/{max(folders)}/{stem}.json"
        found = [n for n in self.names() if n in (prefix, prefix + ".gz")]
        return json.loads(self.read(found[0])) if found else {}


def operation(name, facts, paginator):
    kept = {
        "name": name,
        "input": facts["input"]["shape"],
        "output": facts["output"]["shape"],
        "errors": [error["shape"] for error in facts.get("errors", [])],
    }
    if paginator:
        kept["paginator"] = {
            "inputToken": paginator["input_token"],
            "outputToken": paginator["output_token"],
            "limitKey": paginator["limit_key"],
            "resultKeys": as_list(paginator["result_key"]),
        }
    return kept


def as_list(value):
    return value if isinstance(value, list) else [value]


def shape(facts):
    kept = {"type": facts["type"]}
    kept.update({key: facts[key] for key in CONSTRAINTS if key in facts})
    if facts["type"] == "structure":
        required = set(facts.get("required", []))
        kept["members"] = [
            {"name": name, "shape": member["shape"], **({"required": True} if name in required else {})}
            for name, member in facts["members"].items()
        ]
    for part in ("member", "key", "value"):
        if part in facts:
            kept[part] = facts[part]["shape"]
    if facts.get("exception"):
        kept["exception"] = True
        kept["fault"] = bool(facts.get("fault"))
    return kept


def waiter(name, facts):
    keys = ("operation", "delay", "maxAttempts", "acceptors")
    return {"name": name, **{key: facts[key] for key in keys}}


def extract(package):
    model = package.service_file("service-2")
    paginators = package.service_file("paginators-1").get("pagination", {})
    waiters = package.service_file("waiters-2").get("waiters", {})
    metadata = model["metadata"]
    return {
        "source": {"package": "botocore", "version": package.version(), "service": SERVICE},
        "protocol": {key: metadata[key] for key in ("apiVersion", "jsonVersion", "signingName", "targetPrefix")},
        "operations": [
            operation(name, facts, paginators.get(name)) for name, facts in sorted(model["operations"].items())
        ],
        "shapes": {name: shape(facts) for name, facts in sorted(model["shapes"].items())},
        "waiters": [waiter(name, facts) for name, facts in sorted(waiters.items())],
    }


def render(facts):
    """One operation, shape or waiter a line, so that a newer model shows as a readable difference."""
    sections = []
    for key, value in facts.items():
        if key in ("operations", "waiters"):
            lines = ",\n".join("    " + json.dumps(item) for item in value)
            sections.append(f"  {json.dumps(key)}: [\n{lines}\n  ]")
        elif key == "shapes":
            lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(item)}" for name, item in value.items())
            sections.append(f"  {json.dumps(key)}: {{\n{lines}\n  }}")
        else:
            sections.append(f"  {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(sections) + "\n}\n"


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: extract.py <botocore wheel or directory>")
    target = Path(__file__).with_name("ecr-model.json")
    target.write_text(render(extract(Package(sys.argv[1]))))


if __name__ == "__main__":
    main()
