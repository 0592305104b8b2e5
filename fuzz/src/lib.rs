//! The functions of the fuzz targets, and the names of their corpora.

mod requests;

use std::cmp::Ordering;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use ecru_model::{Arn, Digest, ImageTag, Region, RegistryId, RepositoryName, Scope, UploadId};
use ecru_scanner::{Layer, Limits, Scanner, VersionOrder};
use tempfile::TempDir;

pub use requests::requests;

pub type Target = (&'static str, fn(&[u8]));

/// All targets. The name of each is that of its program and of its folder in `corpus/`.
pub const TARGETS: [Target; 11] = [
    ("archives", archives),
    ("ciphertexts", ciphertexts),
    ("filters", filters),
    ("lifecycle", lifecycle),
    ("manifests", manifests),
    ("names", names),
    ("paths", paths),
    ("policies", policies),
    ("ranges", ranges),
    ("requests", requests),
    ("versions", versions),
];

/// A valid name is printed as it was read.
pub fn names(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    same(text, Digest::parse(text).ok());
    same(text, ImageTag::parse(text).ok());
    same(text, Region::parse(text).ok());
    same(text, RegistryId::parse(text).ok());
    same(text, RepositoryName::parse(text).ok());
    same(text, UploadId::parse(text).ok());
    if let Some((scope, name)) = Scope::parse_repository_arn(text) {
        assert_eq!(scope.repository_arn(&name), text);
    }
    if let Some(arn) = Arn::parse(text) {
        let (kind, name) = arn.kind_and_name();
        assert!(
            arn.resource.starts_with(kind) && arn.resource.ends_with(name),
            "{text}"
        );
    }
}

fn same(text: &str, read: Option<impl ToString>) {
    if let Some(read) = read {
        assert_eq!(read.to_string(), text);
    }
}

/// A text that no key has encrypted does not decrypt.
pub fn ciphertexts(bytes: &[u8]) {
    ecru_kms::fuzz::ciphertext(bytes);
}

/// The input is a size of eight bytes, then a header.
pub fn ranges(bytes: &[u8]) {
    let Some((size, header)) = bytes.split_first_chunk() else {
        return;
    };
    if let Ok(header) = str::from_utf8(header) {
        ecru_oci::fuzz::range(header, u64::from_be_bytes(*size));
    }
}

pub fn paths(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        ecru_oci::fuzz::path(text);
        ecru_oci::fuzz::query(text);
    }
}

pub fn manifests(bytes: &[u8]) {
    let types = [
        None,
        Some("application/vnd.oci.image.manifest.v1+json"),
        Some("application/vnd.oci.image.index.v1+json"),
        Some("application/vnd.docker.distribution.manifest.v2+json"),
    ];
    for declared in types {
        ecru_registry::fuzz::manifest(bytes, declared);
    }
}

pub fn policies(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        ecru_registry::fuzz::policy(text);
    }
}

pub fn lifecycle(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        ecru_registry::fuzz::lifecycle_policy(text);
    }
}

/// The input is a pattern and a text, one per line.
pub fn filters(bytes: &[u8]) {
    // The oracle takes time with the product of their lengths.
    let text = str::from_utf8(bytes).ok().filter(|text| text.len() <= 4096);
    if let Some((pattern, text)) = text.and_then(|text| text.split_once('\n')) {
        ecru_registry::fuzz::filter(pattern, text);
    }
}

/// The input is two versions, one per line. Comparing them in either order must have the same result.
pub fn versions(bytes: &[u8]) {
    let Some((left, right)) = str::from_utf8(bytes).ok().and_then(|text| text.split_once('\n')) else {
        return;
    };
    for order in VersionOrder::ALL {
        let forth = order.compare(left, right);
        assert_eq!(
            order.compare(right, left),
            forth.map(Ordering::reverse),
            "{order:?}"
        );
        for version in [left, right] {
            assert!(
                order.compare(version, version).is_none_or(Ordering::is_eq),
                "{order:?}"
            );
        }
    }
}

/// The input is a layer in any compression. Its content is read, or refused within the limits.
pub fn archives(bytes: &[u8]) {
    thread_local! {
        static SCANNER: (TempDir, Scanner) = scanner();
    }
    // A hash serves as the digest: equal content has an equal name.
    let digest = BuildHasherDefault::<DefaultHasher>::default().hash_one(bytes);
    let layer = Layer::new(digest.to_string(), std::io::Cursor::new(bytes.to_vec()));
    SCANNER.with(|(_, scanner)| {
        let _ = scanner.scan(vec![layer]);
    });
}

fn scanner() -> (TempDir, Scanner) {
    let limits = Limits {
        layer_bytes_max: 1 << 20,
        image_bytes_max: 1 << 20,
        entries_max: 1000,
        packages_max: 100,
        ..Limits::default()
    };
    let opened = TempDir::new()
        .map_err(|error| error.to_string())
        .and_then(|directory| {
            let scanner = Scanner::open(directory.path(), None, limits).map_err(|error| error.to_string())?;
            Ok((directory, scanner))
        });
    match opened {
        Ok(opened) => opened,
        Err(error) => panic!("no scanner: {error}"),
    }
}
