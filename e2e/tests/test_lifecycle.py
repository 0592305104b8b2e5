"""Lifecycle policies and archived images, with AWS clients that wait for them."""

import json

from harness.images import Image


def policy(count):
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count}
    rule = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
    return json.dumps({"rules": [rule]})


def test_the_waiter_for_a_preview_ends_and_the_policy_does_what_it_showed(
    ecru, ecr, aws, registry, repository, seeded_image
):
    name = repository()
    registry.push_image(name, "one", seeded_image)
    for tag in ["two", "three"]:
        registry.push_image(name, tag, Image.seeded(f"{name}/{tag}"))

    started = ecr.start_lifecycle_policy_preview(repositoryName=name, lifecyclePolicyText=policy(1))
    assert started["status"] == "IN_PROGRESS"
    aws("wait", "lifecycle-policy-preview-complete", "--repository-name", name)
    preview = ecr.get_lifecycle_policy_preview(repositoryName=name)
    assert [result["imageTags"] for result in preview["previewResults"]] == [["one"], ["two"]]
    assert preview["summary"] == {"expiringImageTotalCount": 2}

    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=policy(1))
    ecru.control("POST", "run-due")
    assert registry.list_tags(name) == ["three"]
    registry.push_image(name, "four", Image.seeded(f"{name}/four"))
    ecru.control("POST", "run-due")
    assert registry.list_tags(name) == ["four"]
    explained = ecru.control("GET", f"lifecycle/explain?repository={name}")
    assert [image["rules"][0]["verdict"] for image in explained["images"]] == ["KEPT"]


def test_an_archived_image_cannot_be_pulled_until_its_restore_is_done(
    ecru, ecr, registry, repository, seeded_image
):
    name = repository()
    registry.push_image(name, "one", seeded_image)
    change = {"repositoryName": name, "imageId": {"imageTag": "one"}}

    archived = ecr.update_image_storage_class(**change, targetStorageClass="ARCHIVE")
    assert archived["imageStatus"] == "ARCHIVED"
    assert registry.find_manifest(name, "one") is None

    restored = ecr.update_image_storage_class(**change, targetStorageClass="STANDARD")
    assert restored["imageStatus"] == "ACTIVATING"
    ecru.control("PUT", "clock", {"advance": "PT20M"})
    ecru.control("POST", "run-due")
    assert registry.find_manifest(name, "one")
