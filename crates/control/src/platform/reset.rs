//! `/_ecru/reset`: back to an empty server.

use ecru_model::RegistryId;
use serde::{Deserialize, Serialize};

use crate::body::NoBody;
use crate::call::Call;
use crate::problem::Problem;
use crate::route::{Room, room, route};
use crate::text::Text;

pub(super) const ROOM: Room = room!(
    "reset",
    "The way back to an empty server.",
    [
        route!(
            Post,
            "/_ecru/reset",
            "reset",
            "Deletes all data, only that of one account with `account`, or only that of one service with `service`",
            reset_any
        ),
        route!(
            Post,
            "/_ecru/reset/{service}",
            "resetService",
            "Deletes the data of one service",
            reset_one
        ),
    ]
);

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AnyService {
    /// Only this service.
    #[cfg_attr(test, schemars(example = &"ecr"))]
    service: Option<String>,
    /// Only this account.
    account: Option<Text<RegistryId>>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct OneService {
    /// The name of the service.
    #[cfg_attr(test, schemars(example = &"ecr"))]
    service: String,
    /// Only this account.
    account: Option<Text<RegistryId>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Reset {
    /// `ok`.
    status: &'static str,
}

pub(crate) async fn reset_any(call: Call<'_>, query: AnyService, _: NoBody) -> Result<Reset, Problem> {
    let account = query.account.map(|Text(account)| account);
    if !call.control.reset(query.service.as_deref(), account).await? {
        let known = call.control.names().join("`, `");
        return Err(Problem::bad_request(format!("the services here are `{known}`")));
    }
    Ok(Reset { status: "ok" })
}

pub(crate) async fn reset_one(call: Call<'_>, query: OneService, body: NoBody) -> Result<Reset, Problem> {
    let query = AnyService {
        service: Some(query.service),
        account: query.account,
    };
    reset_any(call, query, body).await
}
