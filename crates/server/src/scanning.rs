//! Implements the registry's scanner port: turns blobs into streams, and findings into the registry's types.

use std::{
    fs::File,
    io::{self, Cursor, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use ecru_registry::scanning::{
    CvssScore, Finding, FoundPackage, ImageScanner, ScanLayer, ScanProblem, ScanReport, Severity,
};
use ecru_scanner::{Ecosystem, Layer, Limits, Manager, Package, ScanError, Scanner};
use ecru_store::BlobContent;

/// The scanner is opened for the first scan, so that a start does not wait for its database.
pub(crate) fn wire(data: &Path, advisories: Option<PathBuf>) -> anyhow::Result<Arc<dyn ImageScanner>> {
    if let Some(directory) = &advisories {
        let found = std::fs::read_dir(directory);
        found.with_context(|| {
            format!(
                "cannot read the directory of `--advisories`, `{}`",
                directory.display()
            )
        })?;
    }
    Ok(Arc::new(Wired {
        data: data.to_owned(),
        advisories,
        opened: Mutex::new(None),
    }))
}

struct Wired {
    data: PathBuf,
    advisories: Option<PathBuf>,
    opened: Mutex<Option<Arc<Scanner>>>,
}

impl Wired {
    fn scanner(&self) -> Result<Arc<Scanner>, ScanProblem> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scanner) = opened.as_ref() {
            return Ok(Arc::clone(scanner));
        }
        let scanner = Scanner::open(&self.data, self.advisories.clone(), Limits::default());
        let scanner = Arc::new(scanner.map_err(problem)?);
        *opened = Some(Arc::clone(&scanner));
        Ok(scanner)
    }
}

impl ImageScanner for Wired {
    fn scan(&self, layers: Vec<ScanLayer>) -> Result<ScanReport, ScanProblem> {
        let layers = layers.into_iter().map(layer).collect();
        let report = self.scanner()?.scan(layers).map_err(problem)?;
        Ok(ScanReport {
            has_packages: report.has_packages,
            uncovered: report.uncovered.into_iter().collect(),
            is_uncovered: report.is_uncovered,
            source_updated_at: report.advisories_updated_at,
            findings: report.findings.into_iter().map(finding).collect(),
        })
    }

    fn ecosystems(&self, of: ScanLayer) -> Result<Vec<String>, ScanProblem> {
        let found = self.scanner()?.ecosystems(layer(of)).map_err(problem)?;
        Ok(found.iter().map(Ecosystem::to_string).collect())
    }

    fn revision(&self) -> Result<i64, ScanProblem> {
        self.scanner()?.advisories().revision().map_err(problem)
    }
}

fn layer(layer: ScanLayer) -> Layer {
    let open = layer.open;
    let reader = || -> io::Result<Option<Box<dyn Read + Send>>> {
        Ok(match open().map_err(io::Error::other)? {
            None => None,
            Some(BlobContent::Bytes(bytes)) => Some(Box::new(Cursor::new(bytes))),
            Some(BlobContent::File(file)) => Some(Box::new(from_the_start(file)?)),
        })
    };
    Layer {
        digest: layer.digest.to_string(),
        open: Box::new(reader),
    }
}

fn from_the_start(mut file: File) -> io::Result<File> {
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

/// Faults of the image are reported to the user.
fn problem(error: ScanError) -> ScanProblem {
    match error {
        ScanError::Archive(_) | ScanError::Limit(_) => ScanProblem::Image(error.to_string()),
        // Opening the layer failed: the error is one that this port returned to the scanner.
        ScanError::Layer(error) => error
            .downcast()
            .unwrap_or_else(|error| ScanProblem::Scanner(Box::new(error))),
        error => ScanProblem::Scanner(Box::new(error)),
    }
}

fn finding(found: ecru_scanner::Finding) -> Finding {
    let mut attributes = vec![
        ("package_version".to_owned(), found.package.version().to_owned()),
        ("package_name".to_owned(), found.package.name().to_owned()),
    ];
    for score in &found.scores {
        let version = score.version.split('.').next().unwrap_or_default();
        attributes.push((format!("CVSS{version}_VECTOR"), score.vector.clone()));
        attributes.push((format!("CVSS{version}_SCORE"), score.score.to_string()));
    }
    let page = format!("https://osv.dev/vulnerability/{}", found.advisory);
    let related = if found.advisory == found.name {
        Vec::new()
    } else {
        vec![found.advisory.clone()]
    };
    Finding {
        attributes,
        uri: found.references.first().cloned().unwrap_or(page),
        severity: severity(found.severity),
        scores: found
            .scores
            .into_iter()
            .map(|score| CvssScore {
                version: score.version,
                vector: score.vector,
                score: score.score,
            })
            .collect(),
        source: source(&found.advisory).to_owned(),
        references: found.references,
        related,
        published_at: found.published_at,
        modified_at: Some(found.modified_at),
        first_observed_at: None,
        package: Some(package(
            &found.package,
            found.path,
            found.layer,
            found.fixed_in_version,
        )),
        name: found.name,
        description: found.description,
    }
}

/// The database of an advisory, by the prefix of its name.
fn source(advisory: &str) -> &str {
    advisory.split('-').next().unwrap_or(advisory)
}

fn severity(severity: ecru_scanner::Severity) -> Severity {
    match severity {
        ecru_scanner::Severity::Undefined => Severity::Undefined,
        ecru_scanner::Severity::Informational => Severity::Informational,
        ecru_scanner::Severity::Low => Severity::Low,
        ecru_scanner::Severity::Medium => Severity::Medium,
        ecru_scanner::Severity::High => Severity::High,
        ecru_scanner::Severity::Critical => Severity::Critical,
    }
}

fn package(package: &Package, path: String, layer: String, fixed_in: Option<String>) -> FoundPackage {
    let (epoch, version, release) = match package.manager() {
        Manager::Dpkg | Manager::Rpm => parts(package.version()),
        _ => (None, package.version(), None),
    };
    FoundPackage {
        epoch,
        version: version.to_owned(),
        release: release.map(str::to_owned),
        architecture: package.architecture().map(str::to_owned),
        manager: manager(package.manager()).to_owned(),
        name: package.name().to_owned(),
        path,
        layer,
        fixed_in,
    }
}

/// Splits `epoch:version-release`.
fn parts(version: &str) -> (Option<i32>, &str, Option<&str>) {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().ok(), rest),
        None => (Some(0), version),
    };
    match rest.rsplit_once('-') {
        Some((version, release)) => (epoch, version, Some(release)),
        None => (epoch, rest, None),
    }
}

/// The name that Inspector uses.
fn manager(manager: Manager) -> &'static str {
    match manager {
        Manager::Dpkg | Manager::Apk | Manager::Rpm => "OS",
        Manager::Python => "PYTHONPKG",
        Manager::Node => "NODEPKG",
        Manager::Go => "GOBINARY",
        Manager::Cargo => "CARGO",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_a_distribution_has_its_parts() {
        assert_eq!(parts("1:3.0.7-16.el9"), (Some(1), "3.0.7", Some("16.el9")));
        assert_eq!(parts("2.36-9+deb12u3"), (Some(0), "2.36", Some("9+deb12u3")));
        assert_eq!(parts("20230506"), (Some(0), "20230506", None));
    }
}
