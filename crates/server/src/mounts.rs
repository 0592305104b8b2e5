//! The services of the AWS API.

use std::sync::Arc;

use ecru_aws::{ErrorNames, Wire, json};
use ecru_registry::{Ecr, Service};

pub(crate) fn aws(service: &Arc<Service>, error_names: ErrorNames) -> Wire {
    let services = vec![json(Ecr(Arc::clone(service)))];
    Wire::new(services, service.bodies.clone(), error_names)
}
