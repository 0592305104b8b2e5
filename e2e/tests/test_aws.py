"""The AWS command line and boto3 against the JSON API."""

import pytest

from harness.aws import ACCOUNT, REGION


def test_the_aws_cli_creates_describes_tags_lists_and_deletes_a_repository(aws, ecru):
    created = aws("create-repository", "--repository-name", "team/app")["repository"]
    assert created["repositoryArn"] == f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/app"
    assert created["repositoryUri"] == f"{ecru.host}/team/app"
    assert created["imageTagMutability"] == "MUTABLE"

    described = aws("describe-repositories", "--repository-names", "team/app")
    assert described["repositories"] == [created]

    arn = created["repositoryArn"]
    tags = ["Key=team,Value=blue", "Key=stage,Value=test"]
    assert aws("tag-resource", "--resource-arn", arn, "--tags", *tags) == ""
    aws("untag-resource", "--resource-arn", arn, "--tag-keys", "stage")
    listed = aws("list-tags-for-resource", "--resource-arn", arn)
    assert listed["tags"] == [{"Key": "team", "Value": "blue"}]

    assert aws("list-images", "--repository-name", "team/app") == {"imageIds": []}

    deleted = aws("delete-repository", "--repository-name", "team/app")["repository"]
    assert deleted["repositoryArn"] == arn
    assert aws("describe-repositories") == {"repositories": []}


def test_the_aws_cli_follows_pages_to_the_last_repository(aws, ecr):
    names = [f"page/number-{number:02}" for number in range(7)]
    for name in names:
        ecr.create_repository(repositoryName=name)

    listed = aws("describe-repositories", "--page-size", "3")["repositories"]
    assert [repository["repositoryName"] for repository in listed] == names


@pytest.mark.parametrize(
    "operation, input, name",
    [
        (
            "describe_repositories",
            {"repositoryNames": ["absent"]},
            "RepositoryNotFoundException",
        ),
        ("create_repository", {"repositoryName": "here"}, "RepositoryAlreadyExistsException"),
        ("create_repository", {"repositoryName": "No/Capitals"}, "InvalidParameterException"),
        (
            "put_image",
            {"repositoryName": "here", "imageManifest": "not json"},
            "InvalidParameterException",
        ),
        (
            "describe_images",
            {"repositoryName": "here", "imageIds": [{"imageTag": "absent"}]},
            "ImageNotFoundException",
        ),
        (
            "get_download_url_for_layer",
            {"repositoryName": "here", "layerDigest": f"sha256:{'0' * 64}"},
            "LayersNotFoundException",
        ),
        (
            "complete_layer_upload",
            {
                "repositoryName": "here",
                "uploadId": "6c7a0b3e-4f0e-4c8e-9c63-8f6f0a0b1c2d",
                "layerDigests": [f"sha256:{'0' * 64}"],
            },
            "UploadNotFoundException",
        ),
        (
            "get_repository_policy",
            {"repositoryName": "here"},
            "RepositoryPolicyNotFoundException",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_error_arrives_in_boto3_as_its_own_type(ecr, operation, input, name):
    ecr.create_repository(repositoryName="here")

    with pytest.raises(getattr(ecr.exceptions, name)) as raised:
        getattr(ecr, operation)(**input)

    answer = raised.value.response
    assert answer["Error"]["Message"]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert answer["ResponseMetadata"]["RequestId"]


def test_a_repository_that_holds_an_image_is_only_deleted_by_force(
    ecr, registry, repository, seeded_image
):
    name = repository()
    registry.push_image(name, "one", seeded_image)

    with pytest.raises(ecr.exceptions.RepositoryNotEmptyException):
        ecr.delete_repository(repositoryName=name)

    ecr.delete_repository(repositoryName=name, force=True)
    assert ecr.describe_repositories()["repositories"] == []
