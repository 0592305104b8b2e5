"""The JSON API through boto3, and the values that tests read from it."""

import base64
import http.client
import json
import uuid

import boto3
import botocore.config
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness.images import digest_of
from harness.oci import SECONDS_MAX, Refused

REGION = "us-east-1"
ACCOUNT = "000000000000"


def ecr_client(server, access_key="test", region=REGION):
    return boto3.client(
        "ecr",
        endpoint_url=server.url,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key="test",
        # Without retries, the first failure is the one that is reported.
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )


def create_repository(ecr, **settings):
    """Creates a repository with a unique name and returns the name."""
    name = f"test/{uuid.uuid4().hex[:12]}"
    ecr.create_repository(repositoryName=name, **settings)
    return name


def registry_password(ecr):
    """The password of an authorization token, for the user `AWS`."""
    data = ecr.get_authorization_token()["authorizationData"]
    user, _, password = base64.b64decode(data[0]["authorizationToken"]).decode().partition(":")
    assert user == "AWS"
    return password


def upload_layer(ecr, repository, content, part_bytes):
    """Uploads a layer in parts with the operations of the JSON API and returns its digest."""
    upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    for first in range(0, len(content), part_bytes):
        part = content[first : first + part_bytes]
        answer = ecr.upload_layer_part(
            repositoryName=repository,
            uploadId=upload,
            partFirstByte=first,
            partLastByte=first + len(part) - 1,
            layerPartBlob=part,
        )
        assert answer["lastByteReceived"] == first + len(part) - 1
    return ecr.complete_layer_upload(
        repositoryName=repository, uploadId=upload, layerDigests=[digest_of(content)]
    )["layerDigest"]


def put_image(ecr, repository, image, tag=None, part_bytes=10 << 20):
    """Pushes an image through the JSON API only."""
    for blob in image.blobs.values():
        upload_layer(ecr, repository, blob, part_bytes)
    tagged = {} if tag is None else {"imageTag": tag}
    return ecr.put_image(
        repositoryName=repository,
        imageManifest=image.manifest.decode(),
        imageManifestMediaType=image.media_type,
        **tagged,
    )["image"]


class JsonApi:
    """Calls operations over one plain HTTP connection, signed as the SDKs sign."""

    TARGET = "AmazonEC2ContainerRegistry_V20150921"

    def __init__(self, host):
        self.host = host
        self.connection = http.client.HTTPConnection(host, timeout=SECONDS_MAX)
        self.signer = SigV4Auth(Credentials("test", "test"), "ecr", REGION)

    def close(self):
        self.connection.close()

    def call(self, operation, accept=(), **input):
        """Returns the parsed answer, or the code of an error that the caller accepts."""
        request = AWSRequest(
            "POST",
            f"http://{self.host}/",
            data=json.dumps(input).encode(),
            headers={
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": f"{self.TARGET}.{operation}",
            },
        )
        self.signer.add_auth(request)
        prepared = request.prepare()
        self.connection.request("POST", "/", body=prepared.body, headers=dict(prepared.headers))
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status == 200:
            return json.loads(content)
        error = json.loads(content).get("__type", "").rpartition("#")[2]
        if error in accept:
            return error
        raise Refused(operation, answer.status, content)

    def upload_layer(self, repository, content, part_bytes):
        upload = self.call("InitiateLayerUpload", repositoryName=repository)["uploadId"]
        for first in range(0, len(content), part_bytes):
            part = content[first : first + part_bytes]
            self.call(
                "UploadLayerPart",
                repositoryName=repository,
                uploadId=upload,
                partFirstByte=first,
                partLastByte=first + len(part) - 1,
                layerPartBlob=base64.b64encode(part).decode(),
            )
        self.call(
            "CompleteLayerUpload",
            repositoryName=repository,
            uploadId=upload,
            layerDigests=[digest_of(content)],
            # Another client uploaded the same layer first, so it exists.
            accept=("LayerAlreadyExistsException",),
        )
