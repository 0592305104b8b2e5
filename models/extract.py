"""Extracts the facts of AWS service models from botocore into `<service>/model.json`.

    pip download --no-deps botocore==<version>
    python models/extract.py botocore-<version>-py3-none-any.whl [service …]

The argument is a wheel, or a directory with the unpacked package. `services.json` lists the services, with the
protocol and the operations to keep of each. The output has only facts: names, types, constraints, places in a
request or response, errors, paginators and waiters. The model's prose is left out. Members are lists, because
their order matters: the first violated member is the one that the error reports.
"""

import gzip
import json
import re
import sys
import zipfile
from pathlib import Path

FOLDER = Path(__file__).parent
CONSTRAINTS = ("min", "max", "pattern", "enum", "sensitive")
PROTOCOL = ("apiVersion", "jsonVersion", "signingName", "targetPrefix", "xmlNamespace")
SHAPE_TRAITS = ("flattened", "payload", "timestampFormat")
MEMBER_TRAITS = ("location", "locationName", "flattened", "streaming", "timestampFormat")


class Package:
    """The files of the package, from a wheel or a directory."""

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

    def service_file(self, service, stem):
        folders = {n.split("/")[3] for n in self.names() if n.startswith(f"botocore/data/{service}/")}
        prefix = f"botocore/data/{service}/{max(folders)}/{stem}.json"
        found = [n for n in self.names() if n in (prefix, prefix + ".gz")]
        return json.loads(self.read(found[0])) if found else {}


def traits(facts, names):
    return {name: facts[name] for name in names if name in facts}


def protocol(metadata, name):
    if name not in metadata.get("protocols", [metadata["protocol"]]):
        sys.exit(f"{metadata['serviceId']} does not speak `{name}`")
    kept = {"name": name, **traits(metadata, PROTOCOL)}
    kept.setdefault("signingName", metadata["endpointPrefix"])
    if "awsQueryCompatible" in metadata:
        kept["queryCompatible"] = True
    return kept


def operation(name, facts, paginator):
    kept = {"name": name}
    kept.update({part: facts[part]["shape"] for part in ("input", "output") if part in facts})
    if "resultWrapper" in facts.get("output", {}):
        kept["resultWrapper"] = facts["output"]["resultWrapper"]
    http = facts["http"]
    if (http["method"], http["requestUri"], http.get("responseCode", 200)) != ("POST", "/", 200):
        kept["http"] = traits(http, ("method", "requestUri", "responseCode"))
    if facts.get("authtype") == "none":
        kept["unsigned"] = True
    kept["errors"] = [error["shape"] for error in facts.get("errors", [])]
    if paginator:
        kept["paginator"] = {
            "inputToken": paginator["input_token"],
            "outputToken": paginator["output_token"],
            "limitKey": paginator.get("limit_key"),
            "resultKeys": as_list(paginator["result_key"]),
        }
    return kept


def as_list(value):
    return value if isinstance(value, list) else [value]


def member(name, facts, required):
    kept = {"name": name, "shape": facts["shape"]}
    if required:
        kept["required"] = True
    return {**kept, **traits(facts, MEMBER_TRAITS)}


def shape(facts):
    kept = {"type": facts["type"]}
    kept.update(traits(facts, CONSTRAINTS))
    kept.update(traits(facts, SHAPE_TRAITS))
    if facts["type"] == "structure":
        required = set(facts.get("required", []))
        kept["members"] = [member(name, it, name in required) for name, it in facts["members"].items()]
    for part in ("member", "key", "value"):
        if part in facts:
            kept[part] = facts[part]["shape"]
            if "locationName" in facts[part]:
                kept[part + "Name"] = facts[part]["locationName"]
    if facts.get("exception"):
        kept["exception"] = True
        kept["fault"] = bool(facts.get("fault"))
        kept.update({to: facts["error"][of] for of, to in ERROR.items() if of in facts.get("error", {})})
    return kept


ERROR = {"code": "code", "httpStatusCode": "status"}


def reachable(model, operations):
    """The shapes that these operations use, directly or through others."""
    waiting = []
    for facts in operations.values():
        waiting += [facts[part]["shape"] for part in ("input", "output") if part in facts]
        waiting += [error["shape"] for error in facts.get("errors", [])]
    found = set()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        facts = model["shapes"][name]
        waiting += [it["shape"] for it in facts.get("members", {}).values()]
        waiting += [facts[part]["shape"] for part in ("member", "key", "value") if part in facts]
    return found


def waiter(name, facts):
    keys = ("operation", "delay", "maxAttempts", "acceptors")
    return {"name": name, **{key: facts[key] for key in keys}}


def extract(package, wanted):
    service, names = wanted["service"], wanted["operations"]
    model = package.service_file(service, "service-2")
    paginators = package.service_file(service, "paginators-1").get("pagination", {})
    waiters = package.service_file(service, "waiters-2").get("waiters", {})
    operations = {name: it for name, it in model["operations"].items() if names == "*" or name in names}
    if names != "*" and set(names) - set(operations):
        sys.exit(f"{service} has no {sorted(set(names) - set(operations))}")
    shapes = set(model["shapes"]) if names == "*" else reachable(model, operations)
    return {
        "source": {"package": "botocore", "version": package.version(), "service": service},
        "protocol": protocol(model["metadata"], wanted["protocol"]),
        "operations": [operation(name, facts, paginators.get(name)) for name, facts in sorted(operations.items())],
        "shapes": {name: shape(facts) for name, facts in sorted(model["shapes"].items()) if name in shapes},
        "waiters": [waiter(name, facts) for name, facts in sorted(waiters.items()) if facts["operation"] in operations],
    }


def render(facts):
    """Writes one operation, shape or waiter per line, so that a newer model gives a readable difference."""
    sections = []
    for key, value in facts.items():
        if key in ("operations", "waiters"):
            lines = ",\n".join("    " + json.dumps(item) for item in value)
            sections.append(f"  {json.dumps(key)}: [\n{lines}\n  ]" if value else f"  {json.dumps(key)}: []")
        elif key == "shapes":
            lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(item)}" for name, item in value.items())
            sections.append(f"  {json.dumps(key)}: {{\n{lines}\n  }}")
        else:
            sections.append(f"  {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(sections) + "\n}\n"


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: extract.py <botocore wheel or directory> [service …]")
    package, only = Package(sys.argv[1]), sys.argv[2:]
    for wanted in json.loads((FOLDER / "services.json").read_text()):
        if not only or wanted["service"] in only:
            target = FOLDER / wanted["service"] / "model.json"
            target.parent.mkdir(exist_ok=True)
            target.write_text(render(extract(package, wanted)))


if __name__ == "__main__":
    main()
