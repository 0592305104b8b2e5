"""The control API against its own OpenAPI document: the document is valid, and every read is answered as it says."""

import json
import urllib.error
import urllib.parse
import urllib.request

import jsonschema
import openapi_spec_validator
import pytest

POLICY = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5},
            "action": {"type": "expire"},
        }
    ]
}


def check(document, schema, value):
    """`value` has the shape of `schema`, whose references lead into the document."""
    whole = {"components": document["components"], **schema}
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(whole, format_checker=checker).validate(value)


@pytest.fixture
def document(ecru):
    return ecru.control("GET", "openapi.json")


def test_the_document_is_valid(document):
    openapi_spec_validator.validate(document)
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["operationId"] and operation["responses"]["default"]


def test_every_read_is_answered_as_the_document_says(ecru, ecr, document):
    ecr.create_repository(repositoryName="demo")
    ecr.put_lifecycle_policy(repositoryName="demo", lifecyclePolicyText=json.dumps(POLICY))
    ecru.control("PUT", "principals", {"accessKeyId": "ALICE", "arn": "arn:aws:iam::111122223333:user/alice"})
    ecru.control("PUT", "secrets", {"name": "ecr-pullthroughcache/demo", "value": {"username": "a", "accessToken": "b"}})

    count = 0
    for path, operations in document["paths"].items():
        if "get" not in operations:
            continue
        parameters = operations["get"].get("parameters", [])
        query = {each["name"]: each["schema"]["examples"][0] for each in parameters if each["required"]}
        with urllib.request.urlopen(f"{ecru.url}{path}?{urllib.parse.urlencode(query)}") as answer:
            shape = operations["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            check(document, shape, json.load(answer))
        count += 1
    assert count > 12


def test_a_refusal_is_a_problem(ecru, document):
    with pytest.raises(urllib.error.HTTPError) as refused:
        ecru.control("GET", "repositories?limit=0")
    assert refused.value.headers["content-type"] == "application/problem+json"
    problem = json.load(refused.value)
    check(document, document["components"]["responses"]["Problem"]["content"]["application/problem+json"]["schema"], problem)
    assert problem["status"] == 400 and problem["message"] == problem["detail"]
