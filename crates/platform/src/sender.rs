//! The sender of a signed request.

use ecru_model::{Caller, Region, Scope};

/// The access key that signed a request, and the region it was signed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    pub access_key_id: String,
    pub region: Region,
}

#[derive(Clone, Debug)]
pub struct Sender {
    pub access_key_id: String,
    pub caller: Caller,
    /// The account of the caller, in the region that the request was signed for.
    pub scope: Scope,
}
