//! How SDKs page through the results of an operation.

/// The members that hold the tokens, the page size and the results of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paginator {
    pub input_token: &'static str,
    pub output_token: &'static str,
    pub limit_key: &'static str,
    pub result_keys: &'static [&'static str],
}

#[cfg(test)]
mod tests {
    use crate::{ErrorCode, Operation};

    #[test]
    fn operations_are_found_by_their_names_alone() {
        assert_eq!(Operation::ALL.len(), 62);
        for operation in Operation::ALL {
            assert_eq!(Operation::from_name(operation.name()), Some(*operation));
        }
        assert_eq!(Operation::from_name("putImage"), None);
    }

    #[test]
    fn pages_of_images_are_known_and_batches_have_none() {
        let paginator = Operation::DescribeImages.paginator().unwrap();
        assert_eq!(
            (paginator.limit_key, paginator.result_keys),
            ("maxResults", &["imageDetails"][..])
        );
        assert_eq!(Operation::BatchGetImage.paginator(), None);
    }

    #[test]
    fn every_operation_may_fail_by_a_fault_of_the_service() {
        for operation in Operation::ALL {
            assert!(
                operation.errors().contains(&ErrorCode::ServerException),
                "{operation}"
            );
        }
        let faults: Vec<_> = ErrorCode::ALL
            .iter()
            .filter(|code| code.is_fault())
            .map(|code| code.name())
            .collect();
        let expected = [
            "InternalFailure",
            "NotImplementedException",
            "ServerException",
            "ServiceUnavailable",
        ];
        assert_eq!(faults, expected);
    }
}
