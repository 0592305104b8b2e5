//! Pairs a service with its protocol, so that one list holds services of all protocols.

use std::{marker::PhantomData, pin::Pin, sync::Arc};

use ecru_platform::wire::{AwsService, Call, Protocol, ServiceError, ServiceFacts};

use crate::protocol::{Given, Json, Printed, Query, RestJson};

/// A running operation.
pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Result<Printed, ServiceError>> + Send + 'a>>;

/// A service that was mounted with one of the functions below.
pub trait Mounted: Sealed {
    fn facts(&self) -> &'static ServiceFacts;
}

mod sealed {
    use super::{Call, Given, Running};

    pub trait Sealed: Send + Sync {
        fn run(&self, call: Call, given: Given) -> Running<'_>;
    }
}

pub(crate) use sealed::Sealed;

struct Mount<P, S> {
    service: S,
    protocol: PhantomData<fn() -> P>,
}

impl<P, S> Sealed for Mount<P, S>
where
    P: Protocol<Given = Given, Answer = Printed>,
    S: AwsService,
{
    fn run(&self, call: Call, given: Given) -> Running<'_> {
        Box::pin(self.service.call::<P>(call, given))
    }
}

impl<P, S> Mounted for Mount<P, S>
where
    P: Protocol<Given = Given, Answer = Printed>,
    S: AwsService,
{
    fn facts(&self) -> &'static ServiceFacts {
        S::FACTS
    }
}

/// Mounts a service of AWS JSON 1.0 or 1.1.
pub fn json<S: AwsService>(service: S) -> Arc<dyn Mounted> {
    mount::<Json, S>(service)
}

/// Mounts a service of the query protocol.
pub fn query<S: AwsService>(service: S) -> Arc<dyn Mounted> {
    mount::<Query, S>(service)
}

/// Mounts a service of REST with JSON.
pub fn rest_json<S: AwsService>(service: S) -> Arc<dyn Mounted> {
    mount::<RestJson, S>(service)
}

fn mount<P, S>(service: S) -> Arc<dyn Mounted>
where
    P: Protocol<Given = Given, Answer = Printed>,
    S: AwsService,
{
    const {
        assert!(
            S::FACTS.protocol as u8 == P::NAME as u8,
            "the service speaks another protocol"
        );
    }
    let protocol = PhantomData;
    Arc::new(Mount::<P, S> { service, protocol })
}
