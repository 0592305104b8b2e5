//! KMS as a service of the AWS wire.

use std::sync::Arc;

use ecru_platform::wire::{AwsService, Call, Protocol, ServiceError, ServiceFacts};

use crate::generated::dispatch::dispatch;
use crate::generated::service::FACTS;
use crate::{Context, Service};

/// The operations of KMS over one service.
pub struct Kms(pub Arc<Service>);

impl AwsService for Kms {
    const FACTS: &'static ServiceFacts = &FACTS;

    async fn call<P: Protocol>(&self, call: Call, given: P::Given) -> Result<P::Answer, ServiceError> {
        let Some(sender) = call.sender else {
            return Err(ServiceError::internal("an unsigned request was let through"));
        };
        let ctx = Context {
            service: Arc::clone(&self.0),
            caller: sender.caller,
            scope: sender.scope,
        };
        dispatch::<P>(&ctx, call.number, call.operation, given).await
    }
}
