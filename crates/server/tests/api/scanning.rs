//! Scanning: which images are scanned when, and how results are reported.

use std::sync::{Arc, Mutex};

use ecru_model::{Digest, ErrorCode};
use ecru_platform::paging::Extent;
use ecru_registry::Ports;
use ecru_registry::events::EventFilter;
use ecru_registry::scanning::{
    Finding, FoundPackage, ImageScanner, PresetFinding, ScanLayer, ScanProblem, ScanReport, Severity,
    preset_findings, release_findings, scan_again,
};
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, OTHER_ACCOUNT};
use crate::content::{ABSENT, Image, index};

const HOUR: i64 = 60 * 60 * 1000;
const DAY: i64 = 24 * HOUR;
const COMPLETE: &str = "The scan was completed successfully.";

/// Returns the prepared report, and records the images that it was asked to scan.
#[derive(Default)]
struct Stub {
    report: Mutex<Option<ScanReport>>,
    problem: Mutex<Option<String>>,
    revision: Mutex<i64>,
    /// Whether the advisories change during each scan.
    changes_meanwhile: Mutex<bool>,
    scanned: Mutex<Vec<Vec<Digest>>>,
}

impl ImageScanner for Stub {
    fn scan(&self, layers: Vec<ScanLayer>) -> Result<ScanReport, ScanProblem> {
        let layers = layers.into_iter().map(|layer| layer.digest).collect();
        self.scanned.lock().unwrap().push(layers);
        *self.revision.lock().unwrap() += i64::from(*self.changes_meanwhile.lock().unwrap());
        match self.problem.lock().unwrap().clone() {
            Some(problem) => Err(ScanProblem::Image(problem)),
            None => Ok(self.report.lock().unwrap().clone().unwrap_or_default()),
        }
    }

    fn ecosystems(&self, _: ScanLayer) -> Result<Vec<String>, ScanProblem> {
        Ok(Vec::new())
    }

    fn revision(&self) -> Result<i64, ScanProblem> {
        Ok(*self.revision.lock().unwrap())
    }
}

impl Stub {
    fn finds(&self, findings: Vec<Finding>) {
        *self.report.lock().unwrap() = Some(ScanReport {
            has_packages: true,
            source_updated_at: Some(1_700_000_000_000),
            findings,
            ..ScanReport::default()
        });
    }

    fn lacks_advisories(&self, findings: Vec<Finding>) {
        *self.report.lock().unwrap() = Some(ScanReport {
            has_packages: true,
            is_uncovered: true,
            uncovered: vec!["Debian:12".to_owned()],
            findings,
            ..ScanReport::default()
        });
    }

    fn scans(&self) -> usize {
        self.scanned.lock().unwrap().len()
    }
}

fn finding(name: &str, severity: Severity) -> Finding {
    Finding {
        name: name.to_owned(),
        description: "What can go wrong.".to_owned(),
        uri: "https://example.com/advisory".to_owned(),
        severity,
        attributes: vec![
            ("package_version".to_owned(), "2.36-9".to_owned()),
            ("package_name".to_owned(), "glibc".to_owned()),
        ],
        package: Some(FoundPackage {
            name: "glibc".to_owned(),
            version: "2.36".to_owned(),
            release: Some("9".to_owned()),
            fixed_in: Some("2.36-9+deb12u3".to_owned()),
            ..FoundPackage::default()
        }),
        ..Finding::default()
    }
}

/// A registry with a scanner, and a repository `demo`.
async fn bench() -> (Api, Arc<Stub>) {
    let stub = Arc::new(Stub::default());
    stub.finds(vec![
        finding("CVE-2099-0001", Severity::Critical),
        finding("CVE-2099-0002", Severity::Low),
    ]);
    let scanner: Arc<dyn ImageScanner> = stub.clone();
    let ports = Ports {
        scanner: Some(scanner),
        ..Ports::default()
    };
    let api = Api::with_ports(|_| {}, ports);
    api.create("demo").await;
    (api, stub)
}

fn v1() -> Value {
    json!({ "repositoryName": "demo", "imageId": { "imageTag": "v1" } })
}

impl Api {
    async fn findings(&self) -> Value {
        self.ok("DescribeImageScanFindings", v1()).await
    }

    /// Runs the check that follows a possible change of advisories.
    async fn scan_again(&self) -> usize {
        let service = self.service();
        let scanner = service.ports.scanner.as_ref().unwrap();
        scan_again(&service.store, &service.clock, scanner).await.unwrap()
    }

    async fn put_rules(&self, scan_type: &str, rules: &[(&str, &str)]) -> Value {
        let rules: Vec<_> = rules
            .iter()
            .map(|(frequency, filter)| {
                json!({
                    "scanFrequency": frequency,
                    "repositoryFilters": [{ "filter": filter, "filterType": "WILDCARD" }],
                })
            })
            .collect();
        let input = json!({ "scanType": scan_type, "rules": rules });
        self.ok("PutRegistryScanningConfiguration", input).await
    }

    async fn put_basic_scanner(&self, version: &str) {
        let setting = json!({ "name": "BASIC_SCAN_TYPE_VERSION", "value": version });
        self.ok("PutAccountSetting", setting).await;
    }

    /// The details of the events of a type.
    fn details(&self, detail_type: &str) -> Vec<Value> {
        let filter = EventFilter {
            detail_type: Some(detail_type.to_owned()),
            ..EventFilter::default()
        };
        let all = Extent {
            after: 0,
            limit: 1000,
        };
        let page = self.list_events(filter, all);
        page.items.into_iter().map(|event| event.detail).collect()
    }
}

#[tokio::test]
async fn a_scan_is_in_progress_until_it_is_complete() {
    let (api, stub) = bench().await;
    let image = Image::new(1);
    let digest = api.push("demo", Some("v1"), &image).await;
    let started = api.ok("StartImageScan", v1()).await;
    let id = json!({ "imageDigest": digest, "imageTag": "v1" });
    let expected = json!({
        "registryId": ACCOUNT, "repositoryName": "demo", "imageId": id,
        "imageScanStatus": { "status": "IN_PROGRESS" },
    });
    assert_eq!(started, expected);
    assert_eq!(api.findings().await, expected);

    api.run_due().await;
    let found = |name: &str, severity: &str| {
        json!({
            "name": name, "severity": severity, "description": "What can go wrong.",
            "uri": "https://example.com/advisory",
            "attributes": [
                { "key": "package_version", "value": "2.36-9" }, { "key": "package_name", "value": "glibc" },
            ],
        })
    };
    let expected = json!({
        "registryId": ACCOUNT, "repositoryName": "demo", "imageId": id,
        "imageScanStatus": { "status": "COMPLETE", "description": COMPLETE },
        "imageScanFindings": {
            "imageScanCompletedAt": 1_767_225_600.5,
            "vulnerabilitySourceUpdatedAt": 1_700_000_000,
            "findingSeverityCounts": { "CRITICAL": 1, "LOW": 1 },
            "findings": [found("CVE-2099-0001", "CRITICAL"), found("CVE-2099-0002", "LOW")],
        },
    });
    assert_eq!(api.findings().await, expected);
    let layer = Digest::parse(&image.layer_digest()).unwrap();
    assert_eq!(*stub.scanned.lock().unwrap(), [[layer]], "the config is no layer");
    let event = json!({
        "scan-status": "COMPLETE", "repository-name": "demo", "image-digest": digest, "image-tags": ["v1"],
        "finding-severity-counts": { "CRITICAL": 1, "LOW": 1 },
    });
    assert_eq!(api.details("ECR Image Scan"), [event]);
}

#[tokio::test]
async fn an_image_is_scanned_once_in_a_day() {
    let (api, stub) = bench().await;
    api.push("demo", Some("v1"), &Image::new(1)).await;
    api.ok("StartImageScan", v1()).await;
    let sentence = "The scan quota per image has been exceeded. Wait and try again.";
    for _ in 0..2 {
        let again = api.call("StartImageScan", v1()).await;
        again.refuses(ErrorCode::LimitExceededException, sentence);
        api.run_due().await;
    }
    api.advance(DAY - 1);
    let again = api.call("StartImageScan", v1()).await;
    again.refuses(ErrorCode::LimitExceededException, sentence);

    api.advance(1);
    stub.finds(Vec::new());
    api.ok("StartImageScan", v1()).await;
    assert!(api.findings().await.get("imageScanFindings").is_none());
    api.run_due().await;
    let findings = &api.findings().await["imageScanFindings"];
    assert_eq!(findings["findings"], json!([]));
    assert_eq!(findings["findingSeverityCounts"], json!({}));
    assert_eq!(stub.scans(), 2);
}

#[tokio::test]
async fn what_a_scan_cannot_tell_is_a_failure_and_never_an_empty_list() {
    let uncovered = ScanReport {
        has_packages: true,
        is_uncovered: true,
        uncovered: vec!["Debian:12".to_owned()],
        ..ScanReport::default()
    };
    let unsupported = ScanReport::default();
    let cases = [
        (
            Ok(unsupported),
            "UnsupportedImageError: The operating system and/or package manager are not supported.",
        ),
        (
            Ok(uncovered.clone()),
            "AdvisoryDataError: No advisory data is loaded for Debian:12, so nothing is known of vulnerabilities in \
             this image. The command `ecru advisories update` loads it, and the image is then scanned again.",
        ),
        (
            Err("a layer cannot be unpacked"),
            "ScanError: a layer cannot be unpacked.",
        ),
    ];
    for (result, description) in cases {
        let (api, stub) = bench().await;
        match result {
            Ok(report) => *stub.report.lock().unwrap() = Some(report),
            Err(problem) => *stub.problem.lock().unwrap() = Some(problem.to_owned()),
        }
        api.push("demo", Some("v1"), &Image::new(1)).await;
        api.ok("StartImageScan", v1()).await;
        api.run_due().await;
        let described = api.findings().await;
        let status = json!({ "status": "FAILED", "description": description });
        assert_eq!(described["imageScanStatus"], status);
        assert!(described.get("imageScanFindings").is_none());
        assert_eq!(api.details("ECR Image Scan")[0]["scan-status"], "FAILED");
    }

    // If some advisories are missing, the known findings are shown with a note about the missing ones.
    let (api, stub) = bench().await;
    *stub.report.lock().unwrap() = Some(ScanReport {
        findings: vec![finding("CVE-2099-0003", Severity::High)],
        ..uncovered
    });
    api.push("demo", Some("v1"), &Image::new(1)).await;
    api.ok("StartImageScan", v1()).await;
    api.run_due().await;
    let described = api.findings().await;
    let expected = format!(
        "{COMPLETE} No advisory data is loaded for Debian:12. The command `ecru advisories update` loads it, and the \
         image is then scanned again."
    );
    assert_eq!(described["imageScanStatus"]["description"], expected);
    assert_eq!(
        described["imageScanFindings"]["findingSeverityCounts"],
        json!({ "HIGH": 1 })
    );
}

#[tokio::test]
async fn advisories_that_came_later_leave_room_for_another_scan() {
    let (api, stub) = bench().await;
    *stub.report.lock().unwrap() = Some(ScanReport {
        has_packages: true,
        is_uncovered: true,
        ..ScanReport::default()
    });
    api.push("demo", Some("v1"), &Image::new(1)).await;
    api.ok("StartImageScan", v1()).await;
    api.run_due().await;
    assert_eq!(
        api.call("StartImageScan", v1()).await.error(),
        Some("LimitExceededException")
    );
    *stub.revision.lock().unwrap() += 1;
    stub.finds(Vec::new());
    api.ok("StartImageScan", v1()).await;
    api.run_due().await;
    assert_eq!(api.findings().await["imageScanStatus"]["status"], "COMPLETE");
}

#[tokio::test]
async fn a_scan_on_push_that_lacked_advisories_is_repeated_once_they_come() {
    for (scan_type, frequency, begun, ended) in [
        ("BASIC", "SCAN_ON_PUSH", "IN_PROGRESS", "COMPLETE"),
        ("ENHANCED", "SCAN_ON_PUSH", "PENDING", "COMPLETE"),
        ("ENHANCED", "CONTINUOUS_SCAN", "PENDING", "ACTIVE"),
    ] {
        let (api, stub) = bench().await;
        api.put_rules(scan_type, &[(frequency, "*")]).await;
        stub.lacks_advisories(Vec::new());
        api.push("demo", Some("v1"), &Image::new(1)).await;
        api.run_due().await;
        let status = async || api.findings().await["imageScanStatus"]["status"].clone();
        assert_eq!(status().await, "FAILED");
        assert_eq!(api.scan_again().await, 0, "there are no others");

        *stub.revision.lock().unwrap() += 1;
        assert_eq!(api.scan_again().await, 1);
        assert_eq!(status().await, begun);
        api.run_due().await;
        assert_eq!(status().await, "FAILED", "they were about something else");
        assert_eq!(api.scan_again().await, 0);

        *stub.revision.lock().unwrap() += 1;
        stub.finds(vec![finding("CVE-2099-0001", Severity::High)]);
        assert_eq!(api.scan_again().await, 1);
        api.run_due().await;
        assert_eq!(status().await, ended);
        *stub.revision.lock().unwrap() += 1;
        assert_eq!(api.scan_again().await, 0);
        assert_eq!(stub.scans(), 3);
    }
}

#[tokio::test]
async fn a_scan_that_is_repeated_leaves_room_for_one_that_is_asked_for() {
    let (api, stub) = bench().await;
    stub.lacks_advisories(vec![finding("CVE-2099-0001", Severity::High)]);
    api.push("demo", Some("v1"), &Image::new(1)).await;
    api.ok("StartImageScan", v1()).await;
    api.run_due().await;
    let before = api.findings().await;
    assert_eq!(before["imageScanStatus"]["status"], "COMPLETE");

    // The known findings remain until the next scan ends.
    *stub.revision.lock().unwrap() += 1;
    stub.finds(vec![
        finding("CVE-2099-0001", Severity::High),
        finding("CVE-2099-0002", Severity::Low),
    ]);
    assert_eq!(api.scan_again().await, 1);
    assert_eq!(api.findings().await, before);
    api.run_due().await;
    let after = api.findings().await;
    assert_eq!(after["imageScanStatus"]["description"], COMPLETE);
    assert_eq!(
        after["imageScanFindings"]["findingSeverityCounts"],
        json!({ "HIGH": 1, "LOW": 1 })
    );

    api.ok("StartImageScan", v1()).await;
    api.run_due().await;
    let again = api.call("StartImageScan", v1()).await;
    assert_eq!(again.error(), Some("LimitExceededException"));
}

#[tokio::test]
async fn advisories_that_come_while_an_image_is_scanned_are_others_than_it_had() {
    let (api, stub) = bench().await;
    stub.lacks_advisories(Vec::new());
    *stub.changes_meanwhile.lock().unwrap() = true;
    api.push("demo", Some("v1"), &Image::new(1)).await;
    api.ok("StartImageScan", v1()).await;
    api.run_due().await;
    assert_eq!(api.scan_again().await, 1);
}

#[tokio::test]
async fn only_images_that_would_be_scanned_now_are_scanned_again() {
    let (api, stub) = bench().await;
    api.put_rules("ENHANCED", &[("SCAN_ON_PUSH", "*")]).await;
    stub.lacks_advisories(Vec::new());
    let digest = api.push("demo", Some("v1"), &Image::new(1)).await;
    api.run_due().await;
    *stub.revision.lock().unwrap() += 1;
    api.put_rules("ENHANCED", &[("SCAN_ON_PUSH", "other")]).await;
    assert_eq!(api.scan_again().await, 0);
    api.put_rules("BASIC", &[]).await;
    assert_eq!(api.scan_again().await, 0);
    api.put_rules("ENHANCED", &[("SCAN_ON_PUSH", "*")]).await;
    let archive = json!({
        "repositoryName": "demo", "imageId": { "imageDigest": digest }, "targetStorageClass": "ARCHIVE",
    });
    api.ok("UpdateImageStorageClass", archive).await;
    assert_eq!(api.scan_again().await, 0);
}

#[tokio::test]
async fn what_cannot_be_scanned_is_refused() {
    let (api, _) = bench().await;
    let image = Image::new(1);
    let digest = api.push("demo", Some("v1"), &image).await;
    let list = api.push_index("demo", Some("list"), &index(&[&image])).await;
    let id = |id: Value| json!({ "repositoryName": "demo", "imageId": id });
    let sentence = format!(
        "The image with digest '{list}' in the repository with name 'demo' in the registry with id '{ACCOUNT}' is of \
         the type 'application/vnd.oci.image.index.v1+json', which cannot be scanned"
    );
    let refused = api
        .call("StartImageScan", id(json!({ "imageTag": "list" })))
        .await;
    refused.refuses(ErrorCode::UnsupportedImageTypeException, &sentence);

    let absent = api
        .call("StartImageScan", id(json!({ "imageDigest": ABSENT })))
        .await;
    assert_eq!(absent.error(), Some("ImageNotFoundException"));
    let none = api
        .call("StartImageScan", id(json!({ "imageTag": "no tag" })))
        .await;
    assert_eq!(none.error(), Some("InvalidParameterException"));
    let gone = json!({ "repositoryName": "gone", "imageId": { "imageTag": "v1" } });
    for operation in ["StartImageScan", "DescribeImageScanFindings"] {
        assert_eq!(
            api.call(operation, gone.clone()).await.error(),
            Some("RepositoryNotFoundException")
        );
    }

    let archive = json!({
        "repositoryName": "demo", "imageId": { "imageDigest": api.push("demo", None, &Image::new(2)).await },
        "targetStorageClass": "ARCHIVE",
    });
    api.ok("UpdateImageStorageClass", archive.clone()).await;
    let archived = api.call("StartImageScan", id(archive["imageId"].clone())).await;
    assert_eq!(archived.error(), Some("ImageArchivedException"));
    let described = api
        .ok("DescribeImageScanFindings", id(archive["imageId"].clone()))
        .await;
    assert_eq!(
        described["imageScanStatus"],
        json!({ "status": "IMAGE_ARCHIVED" })
    );

    api.put_rules("ENHANCED", &[]).await;
    let disabled = api
        .call("StartImageScan", id(json!({ "imageDigest": digest })))
        .await;
    disabled.refuses(ErrorCode::ValidationException, "This feature is disabled");
}

#[tokio::test]
async fn an_image_that_was_never_scanned_has_no_scan() {
    let (api, _) = bench().await;
    let digest = api.push("demo", Some("v1"), &Image::new(1)).await;
    let sentence = |tag: &str| {
        format!(
            "Image scan does not exist for the image with '{{imageDigest:'{digest}', imageTag:'{tag}'}}' in the \
             repository with name 'demo' in the registry with id '{ACCOUNT}'"
        )
    };
    let missing = api.call("DescribeImageScanFindings", v1()).await;
    missing.refuses(ErrorCode::ScanNotFoundException, &sentence("v1"));
    let by_digest = json!({ "repositoryName": "demo", "imageId": { "imageDigest": digest } });
    let missing = api.call("DescribeImageScanFindings", by_digest).await;
    missing.refuses(ErrorCode::ScanNotFoundException, &sentence("null"));
    let absent = json!({ "repositoryName": "demo", "imageId": { "imageTag": "v2" } });
    let absent = api.call("DescribeImageScanFindings", absent).await;
    assert_eq!(absent.error(), Some("ImageNotFoundException"));
}

#[tokio::test]
async fn a_page_is_asked_for_with_a_token_of_its_own() {
    let (api, stub) = bench().await;
    let names: Vec<_> = (0..137).map(|number| format!("CVE-2099-{number:04}")).collect();
    stub.finds(names.iter().map(|name| finding(name, Severity::Medium)).collect());
    api.push("demo", Some("v1"), &Image::new(1)).await;
    api.ok("StartImageScan", v1()).await;
    api.run_due().await;

    for size in [1, 7, 49, 50, 51, 100, 136, 137, 1000] {
        let mut seen = Vec::new();
        let mut input = v1();
        input["maxResults"] = json!(size);
        loop {
            let page = api.ok("DescribeImageScanFindings", input.clone()).await;
            assert_eq!(
                page["imageScanFindings"]["findingSeverityCounts"],
                json!({ "MEDIUM": 137 })
            );
            let findings = page["imageScanFindings"]["findings"].as_array().unwrap().clone();
            assert!(findings.len() <= size && !findings.is_empty());
            seen.extend(
                findings
                    .iter()
                    .map(|finding| finding["name"].as_str().unwrap().to_owned()),
            );
            match page["nextToken"].as_str() {
                Some(token) => input["nextToken"] = json!(token),
                None => break,
            }
        }
        assert_eq!(seen, names, "in pages of {size}");
    }

    let mut input = v1();
    input["maxResults"] = json!(10);
    let first = api.ok("DescribeImageScanFindings", input.clone()).await;
    assert_eq!(
        first["imageScanFindings"]["findings"].as_array().unwrap().len(),
        10
    );
    api.advance(DAY);
    api.ok("StartImageScan", v1()).await;
    api.run_due().await;
    input["nextToken"] = first["nextToken"].clone();
    let stale = api.call("DescribeImageScanFindings", input.clone()).await;
    assert_eq!(stale.error(), Some("InvalidContinuationTokenException"));
    let modelled = api
        .with_aws_names()
        .call("DescribeImageScanFindings", input)
        .await;
    assert_eq!(modelled.error(), Some("InvalidParameterException"));
}

#[tokio::test]
async fn a_push_is_scanned_where_the_switch_or_a_rule_says_so() {
    let switch = json!({ "repositoryName": "demo", "imageScanningConfiguration": { "scanOnPush": true } });
    for by_rule in [false, true] {
        let (api, stub) = bench().await;
        if by_rule {
            api.put_rules("BASIC", &[("SCAN_ON_PUSH", "dem*")]).await;
        } else {
            api.ok("PutImageScanningConfiguration", switch.clone()).await;
        }
        api.create("other").await;
        let first = Image::new(1);
        api.push("demo", Some("v1"), &first).await;
        api.push("other", Some("v1"), &Image::new(2)).await;
        assert_eq!(api.findings().await["imageScanStatus"]["status"], "IN_PROGRESS");
        api.run_due().await;
        assert_eq!(api.findings().await["imageScanStatus"]["status"], "COMPLETE");
        assert_eq!(stub.scans(), 1);

        // The scan counts towards the daily limit, and another tag names the same image.
        assert_eq!(
            api.call("StartImageScan", v1()).await.error(),
            Some("LimitExceededException")
        );
        api.push("demo", Some("v2"), &first).await;
        api.push_index("demo", Some("list"), &index(&[&first])).await;
        api.run_due().await;
        assert_eq!(stub.scans(), 1);
    }
}

#[tokio::test]
async fn an_image_that_comes_back_from_the_archive_is_scanned_as_one_that_is_pushed() {
    let (api, stub) = bench().await;
    api.put_rules("BASIC", &[("SCAN_ON_PUSH", "*")]).await;
    api.push("demo", Some("v1"), &Image::new(1)).await;
    api.run_due().await;
    let change = |class| json!({ "repositoryName": "demo", "imageId": { "imageTag": "v1" }, "targetStorageClass": class });
    api.ok("UpdateImageStorageClass", change("ARCHIVE")).await;
    api.ok("UpdateImageStorageClass", change("STANDARD")).await;
    api.advance(20 * 60 * 1000);
    api.run_due().await;
    // The scan that the restore made due runs at once.
    assert_eq!(api.findings().await["imageScanStatus"]["status"], "COMPLETE");
    assert_eq!(stub.scans(), 2);
}

#[tokio::test]
async fn rules_say_how_each_repository_is_scanned() {
    let api = Api::new();
    let read = || api.ok("GetRegistryScanningConfiguration", json!({}));
    api.create("prod/app").await;
    api.ok(
        "CreateRepository",
        json!({ "repositoryName": "test", "imageScanningConfiguration": { "scanOnPush": true } }),
    )
    .await;
    let names = json!({ "repositoryNames": ["prod/app", "test", "gone"] });
    let batch = || api.ok("BatchGetRepositoryScanningConfiguration", names.clone());
    let described = |name: &str, on_push: bool, frequency: &str, filters: &[&str]| {
        let filters: Vec<_> = filters
            .iter()
            .map(|filter| json!({ "filter": filter, "filterType": "WILDCARD" }))
            .collect();
        json!({
            "repositoryArn": format!("arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{name}"),
            "repositoryName": name, "scanOnPush": on_push, "scanFrequency": frequency,
            "appliedScanFilters": filters,
        })
    };
    let basic = batch().await;
    let expected = json!([
        described("prod/app", false, "MANUAL", &[]),
        described("test", true, "MANUAL", &[]),
    ]);
    assert_eq!(basic["scanningConfigurations"], expected);
    let failure = json!({
        "repositoryName": "gone", "failureCode": "REPOSITORY_NOT_FOUND",
        "failureReason": format!(
            "The repository with name 'gone' does not exist in the registry with id '{ACCOUNT}'"
        ),
    });
    assert_eq!(basic["failures"], json!([failure]));

    let put = api
        .put_rules("ENHANCED", &[("SCAN_ON_PUSH", "*"), ("CONTINUOUS_SCAN", "prod")])
        .await;
    let stored = &put["registryScanningConfiguration"];
    assert_eq!(stored["rules"][1]["repositoryFilters"][0]["filter"], "prod");
    assert_eq!(read().await["scanningConfiguration"], *stored);
    let expected = json!([
        described("prod/app", false, "CONTINUOUS_SCAN", &["prod"]),
        described("test", true, "SCAN_ON_PUSH", &["*"]),
    ]);
    assert_eq!(batch().await["scanningConfigurations"], expected);
    for elsewhere in [api.by_account(OTHER_ACCOUNT), api.in_region("eu-west-1")] {
        let untouched = elsewhere.ok("GetRegistryScanningConfiguration", json!({})).await;
        let default = json!({ "scanType": "BASIC", "rules": [] });
        assert_eq!(untouched["scanningConfiguration"], default);
    }

    let told = |frequency: &str, name: &str| {
        json!({
            "action-type": "SCAN_FREQUENCY_CHANGE",
            "repositories": [{
                "repository-name": name,
                "repository-arn": format!("arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{name}"),
                "scan-frequency": frequency, "previous-scan-frequency": "MANUAL",
            }],
            "resource-type": "REPOSITORY", "scan-type": "ENHANCED",
        })
    };
    for _ in 0..2 {
        api.run_due().await;
        let expected = [told("CONTINUOUS_SCAN", "prod/app"), told("SCAN_ON_PUSH", "test")];
        assert_eq!(api.details("ECR Scan Resource Change"), expected);
    }
}

#[tokio::test]
async fn rules_that_do_not_fit_their_type_are_refused() {
    let api = Api::new();
    for (scan_type, frequency) in [("BASIC", "CONTINUOUS_SCAN"), ("ENHANCED", "MANUAL")] {
        let filters = json!([{ "filter": "*", "filterType": "WILDCARD" }]);
        let rule = json!({ "scanFrequency": frequency, "repositoryFilters": filters });
        let input = json!({ "scanType": scan_type, "rules": [rule] });
        let sentence =
            format!("The scan frequency '{frequency}' is not supported for the scan type '{scan_type}'");
        let refused = api.call("PutRegistryScanningConfiguration", input).await;
        refused.refuses(ErrorCode::ValidationException, &sentence);
    }
    let input = json!({ "scanType": "DEEP" });
    let refused = api.call("PutRegistryScanningConfiguration", input).await;
    assert_eq!(refused.error(), Some("InvalidParameterException"));
}

#[tokio::test]
async fn names_that_are_none_are_refused() {
    let input = json!({ "repositoryNames": ["NONE"] });
    let refused = Api::new()
        .call("BatchGetRepositoryScanningConfiguration", input)
        .await;
    assert_eq!(refused.error(), Some("InvalidParameterException"));
}

#[tokio::test]
async fn enhanced_scanning_takes_up_images_by_itself() {
    let (api, stub) = bench().await;
    let old = api.push("demo", Some("old"), &Image::new(1)).await;
    api.advance(14 * DAY + 1);
    let digest = api.push("demo", Some("v1"), &Image::new(2)).await;
    api.ok("StartImageScan", v1()).await;
    api.run_due().await;

    api.put_rules("ENHANCED", &[("CONTINUOUS_SCAN", "demo")]).await;
    assert_eq!(
        api.findings().await["imageScanStatus"],
        json!({ "status": "PENDING" })
    );
    let by_digest = json!({ "repositoryName": "demo", "imageId": { "imageDigest": old } });
    let expired = api.ok("DescribeImageScanFindings", by_digest).await;
    assert_eq!(
        expired["imageScanStatus"],
        json!({ "status": "SCAN_ELIGIBILITY_EXPIRED" })
    );

    api.run_due().await;
    let described = api.findings().await;
    let status = json!({ "status": "ACTIVE", "description": "Continuous scan is selected for image." });
    assert_eq!(described["imageScanStatus"], status);
    let findings = &described["imageScanFindings"];
    assert!(findings.get("findings").is_none());
    let first = &findings["enhancedFindings"][0];
    assert_eq!(first["title"], "CVE-2099-0001 - glibc");
    assert_eq!(
        (&first["severity"], &first["fixAvailable"]),
        (&json!("CRITICAL"), &json!("YES"))
    );
    let arn = format!("arn:aws:ecr:us-east-1:{ACCOUNT}:repository/demo");
    assert_eq!(first["resources"][0]["id"], format!("{arn}/{digest}"));
    let package = &first["packageVulnerabilityDetails"]["vulnerablePackages"][0];
    assert_eq!(package["fixedInVersion"], "2.36-9+deb12u3");
    let event = json!({
        "scan-status": "INITIAL_SCAN_COMPLETE", "repository-name": arn, "image-digest": digest,
        "image-tags": ["v1"], "finding-severity-counts": { "CRITICAL": 1, "LOW": 1, "TOTAL": 2 },
    });
    assert_eq!(api.details("Inspector2 Scan"), [event]);

    // The image is scanned again, and changed findings are shown.
    stub.finds(Vec::new());
    api.run_due().await;
    assert_eq!(stub.scans(), 2);
    api.advance(DAY);
    api.run_due().await;
    assert_eq!(stub.scans(), 3);
    assert_eq!(
        api.findings().await["imageScanFindings"]["enhancedFindings"],
        json!([])
    );
    assert_eq!(api.details("Inspector2 Scan").len(), 1);

    // The findings of the other scan type were hidden, not removed.
    api.put_rules("BASIC", &[]).await;
    let before = api.findings().await;
    assert_eq!(
        before["imageScanFindings"]["findings"].as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn enhanced_findings_are_told_as_they_come_and_go_and_keep_the_time_they_came() {
    let (api, stub) = bench().await;
    api.put_rules("ENHANCED", &[("CONTINUOUS_SCAN", "demo")]).await;
    api.push("demo", Some("v1"), &Image::new(1)).await;
    api.run_due().await;
    let told = || {
        let events = api.details("Inspector2 Finding").into_iter();
        let told = events.map(|finding| format!("{} {}", finding["title"], finding["status"]));
        told.collect::<Vec<_>>()
    };
    let came = [
        "\"CVE-2099-0001 - glibc\" \"ACTIVE\"",
        "\"CVE-2099-0002 - glibc\" \"ACTIVE\"",
    ];
    assert_eq!(told(), came);
    let first = api.findings().await["imageScanFindings"]["enhancedFindings"][0].clone();
    let event = api.details("Inspector2 Finding")[0].clone();
    assert_eq!(event["findingArn"], first["findingArn"]);
    assert_eq!(event["firstObservedAt"], "Jan 1, 2026, 12:00:00 AM");
    assert_eq!(event["resources"][0]["region"], "N/A");

    stub.finds(vec![finding("CVE-2099-0001", Severity::Critical)]);
    api.advance(DAY);
    api.run_due().await;
    let went = "\"CVE-2099-0002 - glibc\" \"CLOSED\"";
    assert_eq!(told(), [came[0], came[1], went]);
    let still = api.findings().await["imageScanFindings"]["enhancedFindings"][0].clone();
    assert_eq!(still["firstObservedAt"], first["firstObservedAt"]);
    assert_ne!(still["lastObservedAt"], first["lastObservedAt"]);
}

#[tokio::test]
async fn a_list_of_images_tells_of_scans_where_the_scanner_does() {
    let (api, stub) = bench().await;
    api.push("demo", Some("v1"), &Image::new(1)).await;
    api.ok("StartImageScan", v1()).await;
    api.run_due().await;
    api.create("failed").await;
    api.push("failed", Some("v1"), &Image::new(2)).await;
    *stub.problem.lock().unwrap() = Some("no advisories are loaded".to_owned());
    let failed = json!({ "repositoryName": "failed", "imageId": { "imageTag": "v1" } });
    api.ok("StartImageScan", failed).await;
    api.run_due().await;
    let all = json!({ "repositoryName": "demo" });
    let named = json!({ "repositoryName": "demo", "imageIds": [{ "imageTag": "v1" }] });
    for input in [all, named] {
        let detail = async || api.ok("DescribeImages", input.clone()).await["imageDetails"][0].clone();
        api.put_basic_scanner("AWS_NATIVE").await;
        assert!(detail().await.get("imageScanStatus").is_none());

        api.put_basic_scanner("CLAIR").await;
        let told = detail().await;
        assert_eq!(told["imageScanStatus"]["status"], "COMPLETE");
        let counts = &told["imageScanFindingsSummary"]["findingSeverityCounts"];
        assert_eq!(*counts, json!({ "CRITICAL": 1, "LOW": 1 }));
    }
    // A failed scan does not show that an image has no findings.
    let failed = api
        .ok("DescribeImages", json!({ "repositoryName": "failed" }))
        .await;
    let detail = &failed["imageDetails"][0];
    assert_eq!(detail["imageScanStatus"]["status"], "FAILED");
    assert!(detail.get("imageScanFindingsSummary").is_none(), "{detail}");
}

#[tokio::test]
async fn findings_that_were_set_are_those_of_every_scan() {
    let (api, stub) = bench().await;
    let image = Image::new(1);
    let digest = Digest::parse(&image.digest()).unwrap();
    let set = |severity: Severity| {
        let found = PresetFinding {
            name: "CVE-2099-0009".to_owned(),
            severity,
            ..PresetFinding::default()
        };
        preset_findings(api.service(), digest, vec![found])
    };
    assert_eq!(set(Severity::High).await.unwrap(), 0);
    api.push("demo", Some("v1"), &image).await;
    api.ok("StartImageScan", v1()).await;
    api.run_due().await;
    let counts = async || api.findings().await["imageScanFindings"]["findingSeverityCounts"].clone();
    assert_eq!(counts().await, json!({ "HIGH": 1 }));
    assert_eq!(set(Severity::Low).await.unwrap(), 1);
    assert_eq!(counts().await, json!({ "LOW": 1 }));
    assert_eq!(stub.scans(), 0);

    assert!(release_findings(api.service(), digest).await.unwrap());
    assert!(!release_findings(api.service(), digest).await.unwrap());
    api.advance(DAY);
    api.ok("StartImageScan", v1()).await;
    api.run_due().await;
    assert_eq!(counts().await, json!({ "CRITICAL": 1, "LOW": 1 }));
}

#[tokio::test]
async fn findings_go_with_their_image_and_their_repository() {
    let (api, _) = bench().await;
    for number in [1, 2] {
        let tag = format!("v{number}");
        api.push("demo", Some(&tag), &Image::new(number)).await;
        let input = json!({ "repositoryName": "demo", "imageId": { "imageTag": tag } });
        api.ok("StartImageScan", input).await;
    }
    api.run_due().await;
    let counts = || {
        [
            api.count("SELECT count(*) FROM image_scans"),
            api.count("SELECT count(*) FROM image_scan_findings"),
        ]
    };
    assert_eq!(counts(), [2, 2]);
    let ids = json!({ "repositoryName": "demo", "imageIds": [{ "imageTag": "v1" }] });
    api.ok("BatchDeleteImage", ids).await;
    assert_eq!(counts(), [1, 1]);
    api.push("demo", Some("v1"), &Image::new(1)).await;
    assert_eq!(
        api.call("DescribeImageScanFindings", v1()).await.error(),
        Some("ScanNotFoundException")
    );
    api.ok(
        "DeleteRepository",
        json!({ "repositoryName": "demo", "force": true }),
    )
    .await;
    api.run_due().await;
    assert_eq!(counts(), [0, 0]);
}

#[tokio::test]
async fn findings_that_are_set_leave_a_continuous_scan_active() {
    let (api, _) = bench().await;
    api.put_rules("ENHANCED", &[("CONTINUOUS_SCAN", "demo")]).await;
    let image = Image::new(1);
    let digest = Digest::parse(&api.push("demo", Some("v1"), &image).await).unwrap();
    let active = json!({ "status": "ACTIVE", "description": "Continuous scan is selected for image." });
    for _ in 0..2 {
        let found = PresetFinding {
            name: "CVE-2099-0009".to_owned(),
            ..PresetFinding::default()
        };
        assert_eq!(
            preset_findings(api.service(), digest, vec![found]).await.unwrap(),
            1
        );
        assert_eq!(api.findings().await["imageScanStatus"], active);
        api.run_due().await;
        assert_eq!(api.findings().await["imageScanStatus"], active);
    }
    api.put_rules("ENHANCED", &[("SCAN_ON_PUSH", "demo")]).await;
    preset_findings(api.service(), digest, Vec::new()).await.unwrap();
    let described = api.findings().await;
    assert_eq!(described["imageScanStatus"]["status"], "COMPLETE");
    let findings = &described["imageScanFindings"];
    assert_eq!(
        (&findings["findings"], &findings["enhancedFindings"]),
        (&json!([]), &json!([]))
    );
}

#[tokio::test]
async fn a_list_of_images_says_nothing_of_enhanced_scans() {
    let (api, _) = bench().await;
    api.put_rules("ENHANCED", &[("CONTINUOUS_SCAN", "demo")]).await;
    api.push("demo", Some("v1"), &Image::new(1)).await;
    api.run_due().await;
    assert_eq!(api.findings().await["imageScanStatus"]["status"], "ACTIVE");
    for scanner in ["AWS_NATIVE", "CLAIR"] {
        api.put_basic_scanner(scanner).await;
        for input in [
            json!({ "repositoryName": "demo" }),
            json!({ "repositoryName": "demo", "imageIds": [{ "imageTag": "v1" }] }),
        ] {
            let described = api.ok("DescribeImages", input).await;
            let detail = described["imageDetails"][0].as_object().unwrap();
            assert!(!detail.contains_key("imageScanStatus"), "{detail:?}");
            assert!(!detail.contains_key("imageScanFindingsSummary"), "{detail:?}");
        }
    }
}
