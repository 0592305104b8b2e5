//! ECR as a service of the AWS wire.

use std::sync::Arc;

use ecru_platform::wire::{AwsService, Call, DetailValue, Protocol, ServiceError, ServiceFacts};

use crate::{
    Context, Detail, Endpoint, Error, Scheme, Service,
    generated::{codes::code, dispatch::dispatch, service::FACTS},
};

/// ECR's operations over one service.
pub struct Ecr(pub Arc<Service>);

impl AwsService for Ecr {
    const FACTS: &'static ServiceFacts = &FACTS;

    async fn call<P: Protocol>(&self, call: Call, given: P::Given) -> Result<P::Answer, ServiceError> {
        let Some(sender) = call.sender else {
            return Err(ServiceError::internal("an unsigned request was let through"));
        };
        let endpoint = Endpoint {
            scheme: if call.origin.https {
                Scheme::Https
            } else {
                Scheme::Http
            },
            authority: call.origin.authority,
        };
        let mut ctx = Context::signed(&self.0, sender, endpoint);
        ctx.source = Some(call.origin.source);
        dispatch::<P>(&ctx, call.number, call.operation, given).await
    }
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> Self {
        let mut printed = Self::new(code(error.code), error.message);
        match *error.detail {
            Detail::None => {}
            Detail::InvalidLayerPart {
                registry_id,
                repository_name,
                upload_id,
                last_valid_byte_received,
            } => {
                printed.detail = vec![
                    ("registryId", DetailValue::Text(registry_id)),
                    ("repositoryName", DetailValue::Text(repository_name)),
                    ("uploadId", DetailValue::Text(upload_id)),
                    (
                        "lastValidByteReceived",
                        DetailValue::Integer(last_valid_byte_received),
                    ),
                ];
            }
            Detail::Kms { error } => printed.detail = vec![("kmsError", DetailValue::Text(error))],
        }
        printed.source = error.source;
        printed
    }
}

#[cfg(test)]
mod tests {
    use ecru_model::{ErrorCode, Operation};

    use super::*;

    #[test]
    fn the_wire_counts_the_operations_as_the_model_does() {
        for (number, operation) in Operation::ALL.iter().enumerate() {
            assert_eq!(FACTS.find(operation.name()), Some(number));
        }
        assert_eq!(FACTS.operations.len(), Operation::ALL.len());
    }

    #[test]
    fn every_code_keeps_its_name_status_and_modelled_name() {
        for own in ErrorCode::ALL {
            let printed = code(*own);
            let modelled = printed.modelled.unwrap_or(printed);
            assert_eq!((printed.name, printed.status), (own.name(), own.http_status()));
            assert_eq!(modelled.name, own.modelled().name());
            let hidden = own.is_fault() && *own != ErrorCode::NotImplementedException;
            assert_eq!(printed.fault, hidden, "{own}");
        }
    }

    #[test]
    fn an_operation_without_the_older_code_answers_with_the_newer() {
        for (operation, code) in [
            (Operation::CreateRepository, "InvalidParameterException"),
            (Operation::PutLifecyclePolicy, "InvalidParameterException"),
            (Operation::DeleteSigningConfiguration, "ValidationException"),
        ] {
            let number = FACTS.find(operation.name()).unwrap();
            assert_eq!(FACTS.operations[number].violation.name, code);
        }
    }

    #[test]
    fn two_exceptions_carry_more() {
        let kms = Detail::Kms {
            error: "DisabledException".to_owned(),
        };
        let error = Error::new(ErrorCode::KmsException, "text").with_detail(kms);
        let detail = vec![("kmsError", DetailValue::Text("DisabledException".to_owned()))];
        assert_eq!(ServiceError::from(error).detail, detail);
    }
}
