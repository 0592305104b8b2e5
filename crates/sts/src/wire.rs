//! STS as a service of the AWS wire.

use std::sync::Arc;

use ecru_platform::Platform;
use ecru_platform::wire::{AwsService, Call, Protocol, ServiceError, ServiceFacts};

use crate::Context;
use crate::generated::dispatch::dispatch;
use crate::generated::service::FACTS;

/// STS over the platform: it has no state but the sessions there.
pub struct Sts(pub Arc<Platform>);

impl AwsService for Sts {
    const FACTS: &'static ServiceFacts = &FACTS;

    async fn call<P: Protocol>(&self, call: Call, given: P::Given) -> Result<P::Answer, ServiceError> {
        let ctx = Context {
            platform: Arc::clone(&self.0),
            sender: call.sender,
        };
        dispatch::<P>(&ctx, call.number, call.operation, given).await
    }
}
