//! Verification on push: in a repository with a key, a tag can only be set on an image that this key has signed.
//!
//! A client therefore pushes the image by its digest, then its signature, then the tag.

mod bundle;
mod candidates;
mod observer;
mod requirement;
mod simple_signing;

use ecru_model::{Digest, ErrorCode, ImageTag};
use ecru_platform::ports::{FoundKeyState, KeySource};
use ecru_store::{Snapshot, StoreError};

use crate::records::repositories::Repository;
use crate::{Detail, Error};

pub use crate::ports::verification_key::{InvalidKey, KeyReference, KmsKeyArn, PublicKey};
use candidates::Candidate;
pub(crate) use observer::Observer;
pub use requirement::{
    Requirement, delete_requirement, find_requirement, list_requirements, put_requirement,
};

/// The image that a signature must be about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) digest: &'a Digest,
    pub(crate) manifest: &'a [u8],
}

/// Refuses tags on an image that the key of the repository has not signed.
pub(crate) fn check<'t>(
    at: &Snapshot<'_>,
    keys: &dyn KeySource,
    repository: &Repository,
    subject: Subject<'_>,
    tags: impl IntoIterator<Item = &'t ImageTag>,
) -> Result<(), Error> {
    if tags.into_iter().all(is_free) {
        return Ok(());
    }
    let Some(reference) = requirement::find(at, repository.id)? else {
        return Ok(());
    };
    let key = resolve(at, keys, repository, &reference)?;
    if is_signed(at, repository, &key, subject)? {
        return Ok(());
    }
    Err(not_signed(repository, subject.digest))
}

/// Whether cosign uses such a tag to attach data to an image: `sha256-<hex>.sig`, `.att` and `.sbom`.
fn is_free(tag: &ImageTag) -> bool {
    let Some((digest, kind)) = tag.as_str().rsplit_once('.') else {
        return false;
    };
    let names_digest = digest
        .strip_prefix("sha256-")
        .is_some_and(|hex| Digest::parse(&format!("sha256:{hex}")).is_ok());
    names_digest && matches!(kind, "sig" | "att" | "sbom")
}

fn resolve(
    at: &Snapshot<'_>,
    keys: &dyn KeySource,
    repository: &Repository,
    reference: &KeyReference,
) -> Result<PublicKey, Error> {
    let arn = match reference {
        KeyReference::PublicKey(key) => return Ok(key.clone()),
        KeyReference::Kms(arn) => arn,
    };
    let Some(found) = keys.find_key(at, &repository.scope, arn.as_str())? else {
        return Err(key_not_usable(arn, "NotFoundException"));
    };
    let refusal = match found.state {
        FoundKeyState::Enabled => None,
        FoundKeyState::Disabled => Some("DisabledException"),
        FoundKeyState::PendingDeletion => Some("KMSInvalidStateException"),
        FoundKeyState::Deleted => Some("NotFoundException"),
    };
    if let Some(code) = refusal {
        return Err(key_not_usable(arn, code));
    }
    let key = found.public_key.and_then(|der| PublicKey::from_der(&der).ok());
    key.ok_or_else(|| key_not_usable(arn, "InvalidKeyUsageException"))
}

fn is_signed(
    at: &Snapshot<'_>,
    repository: &Repository,
    key: &PublicKey,
    subject: Subject<'_>,
) -> Result<bool, StoreError> {
    let mut verified = false;
    candidates::each(at, repository, subject.digest, &mut |candidate| {
        verified = match candidate {
            Candidate::SimpleSigning { payload, signature } => {
                simple_signing::verifies(key, subject, payload, signature)
            }
            Candidate::Bundle(bundle) => bundle::verifies(key, subject, bundle),
        };
        verified
    })?;
    Ok(verified)
}

fn not_signed(repository: &Repository, digest: &Digest) -> Error {
    Error::new(
        ErrorCode::LayerInaccessibleException,
        format!(
            "The image with digest '{digest}' cannot be tagged in the repository with name '{}' in the registry with id \
             '{}' because the repository holds no signature of it by the key that is required",
            repository.name, repository.scope.registry_id
        ),
    )
}

fn key_not_usable(arn: &KmsKeyArn, code: &str) -> Error {
    Error::new(
        ErrorCode::KmsException,
        format!("The KMS key '{arn}' that signatures are verified with cannot be used"),
    )
    .with_detail(Detail::Kms {
        error: code.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_attached_artifacts_are_free() {
        let hex = "a".repeat(64);
        let cases = [
            (format!("sha256-{hex}.sig"), true),
            (format!("sha256-{hex}.att"), true),
            (format!("sha256-{hex}.sbom"), true),
            (format!("sha256-{hex}"), false),
            (format!("sha256-{hex}.zip"), false),
            (format!("sha256-{hex}.SIG"), false),
            (format!("sha256-{}.sig", "A".repeat(64)), false),
            (format!("sha256-{}.sig", "a".repeat(63)), false),
            (format!("sha512-{hex}.sig"), false),
            ("latest".to_owned(), false),
            ("v1.sig".to_owned(), false),
        ];
        for (tag, free) in cases {
            assert_eq!(is_free(&ImageTag::parse(&tag).unwrap()), free, "{tag}");
        }
    }
}
