//! The codes of the specification, and the mapping from errors of the registry.

use ecru_model::ErrorCode;
use http::StatusCode;
use serde::Serialize;

/// The identifiers of the specification. `Unknown` is for our own faults, for which the specification has no
/// code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    Denied,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    TagInvalid,
    #[serde(rename = "TOOMANYREQUESTS")]
    TooManyRequests,
    Unauthorized,
    Unknown,
    Unsupported,
}

/// The operation in which an error occurred: some errors map to different codes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Entrance,
    List,
    Manifest,
    ManifestPut,
    /// The deletion of a manifest or a blob.
    Deletion,
    Blob,
    Upload,
}

/// The status and the code for an error of the registry.
#[expect(
    clippy::too_many_lines,
    reason = "one arm for each code, and no arm for the rest"
)]
pub(crate) fn wire(code: ErrorCode, place: Place) -> (StatusCode, Code) {
    use ErrorCode as E;

    let bad = StatusCode::BAD_REQUEST;
    let missing = StatusCode::NOT_FOUND;
    match code {
        E::RepositoryNotFoundException => (missing, Code::NameUnknown),
        E::ImageNotFoundException | E::ImageArchivedException | E::UnableToGetUpstreamImageException => {
            (missing, Code::ManifestUnknown)
        }
        E::ReferencedImagesNotFoundException => (missing, Code::ManifestBlobUnknown),
        E::LayersNotFoundException if place == Place::ManifestPut => (missing, Code::ManifestBlobUnknown),
        E::LayersNotFoundException | E::UnableToGetUpstreamLayerException => (missing, Code::BlobUnknown),
        E::UploadNotFoundException => (missing, Code::BlobUploadUnknown),

        E::ImageTagAlreadyExistsException => (bad, Code::TagInvalid),
        E::ImageDigestDoesNotMatchException | E::LayerDigestMismatchException | E::InvalidLayerException => {
            (bad, Code::DigestInvalid)
        }
        E::InvalidLayerPartException => (StatusCode::RANGE_NOT_SATISFIABLE, Code::BlobUploadInvalid),
        E::EmptyUploadException | E::LayerPartTooSmallException | E::LayerAlreadyExistsException => {
            (bad, Code::BlobUploadInvalid)
        }
        E::InvalidParameterException
        | E::ValidationException
        | E::InvalidContinuationTokenException
        | E::InvalidTagParameterException
        | E::SerializationException
        | E::UnsupportedImageTypeException
        | E::ImageAlreadyExistsException => invalid(place),

        E::UnauthorizedException
        | E::ExpiredTokenException
        | E::IncompleteSignatureException
        | E::InvalidSignatureException
        | E::MissingAuthenticationTokenException
        | E::UnrecognizedClientException => (StatusCode::UNAUTHORIZED, Code::Unauthorized),
        E::AccessDeniedException
        | E::BlockedByOrganizationPolicyException
        | E::KmsException
        | E::LayerInaccessibleException
        | E::LimitExceededException
        | E::SecretNotFoundException
        | E::UnableToAccessSecretException
        | E::UnableToDecryptSecretValueException => (StatusCode::FORBIDDEN, Code::Denied),

        E::ThrottlingException => (StatusCode::TOO_MANY_REQUESTS, Code::TooManyRequests),
        E::RequestEntityTooLargeException => (StatusCode::PAYLOAD_TOO_LARGE, Code::SizeInvalid),
        E::RequestTimeoutException => (StatusCode::REQUEST_TIMEOUT, Code::Unsupported),
        E::MalformedHttpRequestException | E::UnknownOperationException => (bad, Code::Unsupported),
        E::NotImplementedException => (StatusCode::NOT_IMPLEMENTED, Code::Unsupported),
        E::ServiceUnavailable => (StatusCode::SERVICE_UNAVAILABLE, Code::Unknown),

        // Faults, and errors that no call of this wire returns. Such an error is reported as a fault, so that
        // it is noticed.
        E::ServerException
        | E::InternalFailure
        | E::ExclusionAlreadyExistsException
        | E::ExclusionNotFoundException
        | E::ImageStorageClassUpdateNotSupportedException
        | E::LifecyclePolicyNotFoundException
        | E::LifecyclePolicyPreviewInProgressException
        | E::LifecyclePolicyPreviewNotFoundException
        | E::PullThroughCacheRuleAlreadyExistsException
        | E::PullThroughCacheRuleNotFoundException
        | E::RegistryPolicyNotFoundException
        | E::ReplicationBackfillInProgressException
        | E::ReplicationBackfillInvalidStatusException
        | E::ReplicationBackfillNotFoundException
        | E::RepositoryAlreadyExistsException
        | E::RepositoryNotEmptyException
        | E::RepositoryPolicyNotFoundException
        | E::ScanNotFoundException
        | E::SigningConfigurationNotFoundException
        | E::TemplateAlreadyExistsException
        | E::TemplateNotFoundException
        | E::TooManyTagsException
        | E::UnableToListUpstreamImageReferrersException
        | E::UnsupportedUpstreamRegistryException => (StatusCode::INTERNAL_SERVER_ERROR, Code::Unknown),
    }
}

fn invalid(place: Place) -> (StatusCode, Code) {
    match place {
        Place::ManifestPut => (StatusCode::BAD_REQUEST, Code::ManifestInvalid),
        // An image that an index needs, or a blob that an image needs, cannot be deleted.
        Place::Deletion => (StatusCode::METHOD_NOT_ALLOWED, Code::Unsupported),
        Place::Upload => (StatusCode::BAD_REQUEST, Code::BlobUploadInvalid),
        Place::Entrance | Place::List | Place::Manifest | Place::Blob => {
            (StatusCode::BAD_REQUEST, Code::Unsupported)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: ErrorCode, place: Place, status: u16, expected: &str) {
        let (found, code) = wire(code, place);
        assert_eq!(
            (found.as_u16(), serde_json::to_value(code).unwrap()),
            (status, expected.into())
        );
    }

    #[test]
    fn errors_have_the_codes_that_clients_act_on() {
        check(
            ErrorCode::RepositoryNotFoundException,
            Place::Manifest,
            404,
            "NAME_UNKNOWN",
        );
        check(
            ErrorCode::ImageNotFoundException,
            Place::Manifest,
            404,
            "MANIFEST_UNKNOWN",
        );
        check(
            ErrorCode::LayersNotFoundException,
            Place::ManifestPut,
            404,
            "MANIFEST_BLOB_UNKNOWN",
        );
        check(
            ErrorCode::LayersNotFoundException,
            Place::Blob,
            404,
            "BLOB_UNKNOWN",
        );
        check(
            ErrorCode::InvalidParameterException,
            Place::ManifestPut,
            400,
            "MANIFEST_INVALID",
        );
        check(
            ErrorCode::InvalidParameterException,
            Place::Deletion,
            405,
            "UNSUPPORTED",
        );
        check(
            ErrorCode::InvalidLayerPartException,
            Place::Upload,
            416,
            "BLOB_UPLOAD_INVALID",
        );
        check(
            ErrorCode::LayerDigestMismatchException,
            Place::Upload,
            400,
            "DIGEST_INVALID",
        );
        check(
            ErrorCode::ImageTagAlreadyExistsException,
            Place::ManifestPut,
            400,
            "TAG_INVALID",
        );
        check(
            ErrorCode::UnauthorizedException,
            Place::Entrance,
            401,
            "UNAUTHORIZED",
        );
        check(ErrorCode::AccessDeniedException, Place::Entrance, 403, "DENIED");
        check(
            ErrorCode::ThrottlingException,
            Place::Blob,
            429,
            "TOOMANYREQUESTS",
        );
        check(ErrorCode::ServerException, Place::Blob, 500, "UNKNOWN");
    }
}
