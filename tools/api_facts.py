#!/usr/bin/env python3
"""Reads what documents say of OpenSandbox's API, and writes what `tools/api.py` compares with.

    tools/api_facts.py FOLDER...

Each folder has OpenAPI files (.yml, .yaml, .json) or tables of facts (.json); the newest folder comes last and
wins, but what only an older one knows stays. One file for each service goes to tests/api: operations
with their parameters, bodies and answers as shapes. A shape is the name of a type, [shape] for an array,
{"name": shape} for an object, {"*": shape} for a map. Nothing else of the documents is taken over.
"""

import argparse
import json
import sys
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ("lifecycle", "diagnostic", "execd", "egress")
METHODS = ("get", "put", "post", "delete", "patch")


def merge(old, new):
    """Two shapes, or other nests of dictionaries, as one; where they differ, the new one holds."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: merge(old.get(key), new.get(key)) for key in old | new}
    if isinstance(old, list) and isinstance(new, list):
        return [merge(old[0], new[0])]
    if new is None or new == "any" or (old, new) == ("integer", "number"):
        return old if old is not None else new  # the new one knows less
    return new


def statuses(responses):
    return {str(status): "answer" if str(status).startswith("2") else "error" for status in responses}


class OpenApi:
    """One OpenAPI file."""

    def __init__(self, document):
        self.document = document

    def resolve(self, node):
        while "$ref" in node:
            target = self.document
            for name in node["$ref"].removeprefix("#/").split("/"):
                target = target[name]
            node = target
        return node

    def shape(self, schema):
        schema = self.resolve(schema)
        result = None
        for choice in sum((schema.get(word, []) for word in ("oneOf", "anyOf", "allOf")), []):
            if self.resolve(choice).get("type") != "null":
                result = merge(result, self.shape(choice))
        kinds = schema.get("type", "object" if "properties" in schema else [])
        for kind in [kinds] if isinstance(kinds, str) else kinds:
            if kind != "null":
                result = merge(result, self.typed(kind, schema))
        return result or "any"

    def typed(self, kind, schema):
        if kind == "array":
            return [self.shape(schema.get("items", {}))]
        if kind != "object":
            return kind
        members = {name: self.shape(s) for name, s in schema.get("properties", {}).items()}
        more = schema.get("additionalProperties", not members)
        if more:
            members["*"] = self.shape(more) if isinstance(more, dict) else "any"
        return members

    def contents(self, node):
        return {kind: self.shape(content.get("schema", {}))
                for kind, content in node.get("content", {}).items()}

    def operation(self, shared, node):
        result = {"id": node.get("operationId"), "parameters": {}, "body": {}, "answer": {},
                  "headers": {}, "statuses": statuses(node["responses"])}
        for parameter in map(self.resolve, shared + node.get("parameters", [])):
            place = result["parameters"].setdefault(parameter["in"], {})
            place[parameter["name"]] = self.shape(parameter["schema"])
        result["body"] = self.contents(self.resolve(node.get("requestBody", {})))
        errors = {}
        for status, answer in node["responses"].items():
            answer = self.resolve(answer)
            contents = self.contents(answer)
            if str(status).startswith("2"):
                result["answer"] = merge(result["answer"], contents)
                headers = {name: self.shape(self.resolve(header).get("schema", {}))
                           for name, header in answer.get("headers", {}).items()}
                result["headers"] = merge(result["headers"], headers)
            else:
                errors = merge(errors, contents.get("application/json"))
        return result, errors

    def facts(self):
        url = self.document["servers"][0]["url"]
        result = {"base": urllib.parse.urlsplit(url).path, "operations": {}, "errors": {}}
        for path, methods in self.document["paths"].items():
            for method in METHODS:
                if method not in methods:
                    continue
                operation, errors = self.operation(methods.get("parameters", []), methods[method])
                result["operations"][f"{method.upper()} {path}"] = operation
                result["errors"] = merge(result["errors"], errors)
        return result


class Facts:
    """One table of facts: `?` behind a name is optional, `[key]` any name, `#schemas/X` a reference."""

    def __init__(self, document):
        self.document = document

    def shape(self, node):
        if isinstance(node, list):
            return [self.shape(node[0])]
        if isinstance(node, str):
            return self.named(node)
        result = None
        for choice in node.get("oneOf", []):
            if choice != "null":
                result = merge(result, self.shape(choice))
        if result is not None:
            return result
        return {"*" if name == "[key]" else name.removesuffix("?"): self.shape(member)
                for name, member in node.items()}

    def named(self, name):
        if name.startswith("#schemas/"):
            return self.shape(self.document["schemas"][name.removeprefix("#schemas/")])
        if name.startswith("#") or name.startswith('"'):
            return "string"  # a parameter of a path, or one of a few words
        return "any" if name == "unknown" else name

    def contents(self, node):
        return {kind: self.shape(shape) for kind, shape in node.get("content", {}).items()}

    def operation(self, node):
        node = {name.removesuffix("?"): value for name, value in node.items()}
        result = {"id": node.get("operationId"), "answer": {}, "headers": {},
                  "statuses": statuses(node["responses"])}
        result["parameters"] = {place.removesuffix("?"): self.shape(names)
                                for place, names in node.get("parameters", {}).items()}
        result["body"] = self.contents(node.get("requestBody", {}))
        for status, answer in node["responses"].items():
            if status.startswith("2") and isinstance(answer, dict):
                result["answer"] = merge(result["answer"], self.contents(answer))
                headers = {name: shape for name, shape in answer.get("headers", {}).items()
                           if name != "[key]"}
                result["headers"] = merge(result["headers"], self.shape(headers))
        return result

    def facts(self):
        return {"operations": {name: self.operation(node)
                               for name, node in self.document["operations"].items()}}


READERS = (({"servers", "paths"}, OpenApi), ({"operations", "schemas"}, Facts))


def load(path):
    if path.suffix == ".json":
        return json.loads(path.read_text())
    import yaml  # only here: all else of this project does without it
    return yaml.safe_load(path.read_text())


def service_of(path):
    return next((name for name in SERVICES if name in path.stem), path.stem)


def read(folders):
    services = {}
    for folder in folders:
        files = sorted(folder.glob("*.y*ml")) + sorted(folder.glob("*.json"))
        if not files:
            sys.exit(f"{folder} has no .yml, .yaml or .json file")
        for path in files:
            document = load(path)
            readers = [reader for keys, reader in READERS if keys <= set(document)]
            if not readers:
                sys.exit(f"{path} is neither an OpenAPI file nor a table of facts")
            facts = readers[0](document).facts()
            services[service_of(path)] = merge(services.get(service_of(path)), facts)
    return services


def without_nothing(node):
    """Leaves out what is empty, but an object without members in a shape is one."""
    for operation in node["operations"].values():
        for name in [name for name, value in operation.items() if not value]:
            del operation[name]
    return node


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "tests/api")
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    options = parser.parse_args()
    for service, facts in read(options.folders).items():
        text = json.dumps(without_nothing(facts), indent=1, sort_keys=True)
        (options.out / f"{service}.json").write_text(text + "\n")
        print(f"{service}: {len(facts['operations'])} operations")


if __name__ == "__main__":
    main()
