//! Every operation of the service model under its name, for the dispatcher of the wire.

pub(crate) use crate::assume_role::assume_role;
pub(crate) use crate::assume_role_with_web_identity::assume_role_with_web_identity;
pub(crate) use crate::get_caller_identity::get_caller_identity;
pub(crate) use crate::get_session_token::get_session_token;
