//! Signs a pushed image with every profile that applies to it.

use ecru_model::{SigningProfileArn, SigningRule, SigningStatus, matches_wildcard};
use ecru_store::{Tx, Value};

use super::find;
use crate::Error;
use crate::manifests::Manifest;
use crate::ports::image_observer::{ImageObserver, ObservedImage};

/// [unknown] ECR's wording. There is no AWS Signer here whose keys could sign, and a status must not claim a
/// signature that no client can verify.
const FAILURE_CODE: &str = "SignerUnavailable";
const FAILURE_REASON: &str = "No signer is configured that holds the keys of the signing profile";

const SIGNATURE_MEDIA_TYPES: [&str; 3] = [
    "application/vnd.cncf.notary.signature",
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    "application/vnd.dev.cosign.simplesigning.v1+json",
];

pub(crate) struct Observer;

impl ImageObserver for Observer {
    fn pushed(&self, tx: &Tx<'_>, image: &ObservedImage<'_>, manifest: &Manifest) -> Result<(), Error> {
        sign(tx, image, manifest)
    }
}

/// A profile signs an image once. Its result stays, even if the configuration changes.
fn sign(tx: &Tx<'_>, image: &ObservedImage<'_>, manifest: &Manifest) -> Result<(), Error> {
    let repository = image.repository;
    if is_signature(manifest) {
        return Ok(());
    }
    let Some(configuration) = find(tx, &repository.scope)? else {
        return Ok(());
    };
    for profile in profiles_for(&configuration.rules, repository.name.as_str()) {
        tx.execute(
            "INSERT INTO signing_statuses (repository_id, image_id, profile_arn, status, failure_code, failure_reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (repository_id, image_id, profile_arn) DO NOTHING",
            &[
                Value::Integer(repository.id),
                Value::Integer(image.id),
                Value::Text(profile.as_str()),
                Value::Text(SigningStatus::Failed.as_str()),
                Value::Text(FAILURE_CODE),
                Value::Text(FAILURE_REASON),
            ],
        )?;
    }
    Ok(())
}

/// Signatures themselves are not signed.
fn is_signature(manifest: &Manifest) -> bool {
    let layers = manifest.blobs.iter().map(|blob| blob.media_type.as_str());
    manifest
        .artifact_media_type
        .as_deref()
        .into_iter()
        .chain(layers)
        .any(|media_type| SIGNATURE_MEDIA_TYPES.contains(&media_type))
}

/// A rule without filters applies to every repository; a filter must match the whole name.
fn profiles_for<'a>(
    rules: &'a [SigningRule],
    repository_name: &'a str,
) -> impl Iterator<Item = &'a SigningProfileArn> {
    let applies = move |rule: &&SigningRule| {
        rule.repository_filters.as_ref().is_none_or(|filters| {
            filters
                .iter()
                .any(|filter| matches_wildcard(filter.filter.as_str(), repository_name))
        })
    };
    rules.iter().filter(applies).map(|rule| &rule.signing_profile_arn)
}

#[cfg(test)]
mod tests {
    use ecru_model::{
        SigningRepositoryFilter, SigningRepositoryFilterType::WildcardMatch, SigningRepositoryFilterValue,
    };

    use super::*;

    fn rule(filters: &[&str]) -> SigningRule {
        let filters = filters.iter().map(|filter| SigningRepositoryFilter {
            filter: SigningRepositoryFilterValue::parse(*filter).unwrap(),
            filter_type: WildcardMatch,
        });
        let filters = filters.collect::<Vec<_>>();
        let arn = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/demo";
        SigningRule {
            signing_profile_arn: SigningProfileArn::parse(arn).unwrap(),
            repository_filters: (!filters.is_empty()).then_some(filters),
        }
    }

    #[test]
    fn a_filter_matches_the_whole_name_and_no_filter_every_name() {
        let cases = [
            (&[][..], "any/name", true),
            (&["myapp/*"], "myapp/web", true),
            (&["myapp/*"], "myapp", false),
            (&["*/production"], "team/production", true),
            (&["*/production"], "team/production/web", false),
            (&["*prod*"], "reproduction", true),
            (&["prod"], "reproduction", false),
            (&["one", "two"], "two", true),
        ];
        for (filters, name, expected) in cases {
            let rules = [rule(filters)];
            assert_eq!(
                profiles_for(&rules, name).count() == 1,
                expected,
                "{filters:?} {name}"
            );
        }
    }
}
