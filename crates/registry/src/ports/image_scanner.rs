//! The interface of a scanner: layers go in, packages with their vulnerabilities come out.

use ecru_model::{Digest, FindingSeverity};
use ecru_store::BlobContent;
use serde::{Deserialize, Serialize};

/// Finds the vulnerabilities of an image. All functions block.
pub trait ImageScanner: Send + Sync {
    fn scan(&self, layers: Vec<ScanLayer>) -> Result<ScanReport, ScanProblem>;

    /// The names of the ecosystems of the packages in a layer.
    fn ecosystems(&self, layer: ScanLayer) -> Result<Vec<String>, ScanProblem>;

    /// A number that changes whenever other advisories are loaded.
    fn revision(&self) -> Result<i64, ScanProblem>;
}

/// A layer of an image. Layers are listed from the lowest.
pub struct ScanLayer {
    pub digest: Digest,
    /// Called at most once, when the layer is scanned: an image may have more layers than a process may open
    /// files.
    pub open: OpenLayer,
}

/// Blocks. None for a layer that is stored elsewhere.
pub type OpenLayer = Box<dyn FnOnce() -> Result<Option<BlobContent>, ScanProblem> + Send>;

/// The reason why a scan has no result.
#[derive(Debug, thiserror::Error)]
pub enum ScanProblem {
    /// With a sentence for the user.
    #[error("{0}")]
    Image(String),
    #[error("the scanner failed")]
    Scanner(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScanReport {
    /// Whether the image has any trace of packages.
    pub has_packages: bool,
    /// Ecosystems of its packages for which no advisories are loaded.
    pub uncovered: Vec<String>,
    /// Whether too few advisories are loaded for an empty list of findings to mean anything.
    pub is_uncovered: bool,
    /// Milliseconds since 1970.
    pub source_updated_at: Option<i64>,
    /// The worst first.
    pub findings: Vec<Finding>,
}

/// A finding as it is stored. A new member must have a default, so that older rows stay readable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Finding {
    pub name: String,
    pub description: String,
    pub uri: String,
    pub severity: Severity,
    /// Attributes of the basic shape, in order.
    pub attributes: Vec<(String, String)>,
    pub scores: Vec<CvssScore>,
    pub source: String,
    pub references: Vec<String>,
    pub related: Vec<String>,
    pub published_at: Option<i64>,
    pub modified_at: Option<i64>,
    pub package: Option<FoundPackage>,
    /// The end of the first scan in the unbroken series of scans that found it. A scanner may leave it empty.
    pub first_observed_at: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CvssScore {
    pub version: String,
    pub vector: String,
    pub score: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FoundPackage {
    pub name: String,
    pub version: String,
    pub epoch: Option<i32>,
    pub release: Option<String>,
    pub architecture: Option<String>,
    pub manager: String,
    pub path: String,
    pub layer: String,
    pub fixed_in: Option<String>,
}

/// The severities of the model, in the words that are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    #[default]
    Undefined,
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    pub(crate) fn as_model(self) -> FindingSeverity {
        match self {
            Self::Undefined => FindingSeverity::Undefined,
            Self::Informational => FindingSeverity::Informational,
            Self::Low => FindingSeverity::Low,
            Self::Medium => FindingSeverity::Medium,
            Self::High => FindingSeverity::High,
            Self::Critical => FindingSeverity::Critical,
        }
    }
}
