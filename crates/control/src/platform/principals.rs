//! `/_ecru/principals`: the principals that access keys mean.

use ecru_platform::principals::{Principal, bind_principal, list_principals, release_principal};
use serde::{Deserialize, Serialize};

use crate::body::{Body, NoBody};
use crate::call::Call;
use crate::page::{Paging, shown};
use crate::problem::Problem;
use crate::query::NoQuery;
use crate::route::{Room, room, route};

pub(super) const ROOM: Room = room!(
    "principals",
    "The principals of access keys.",
    [
        route!(
            Get,
            "/_ecru/principals",
            "listPrincipals",
            "Lists the principals of access keys",
            list
        ),
        route!(
            Put,
            "/_ecru/principals",
            "putPrincipal",
            "Binds an access key to a principal",
            put
        ),
        route!(
            Delete,
            "/_ecru/principals",
            "deletePrincipal",
            "Releases an access key",
            delete
        ),
    ]
);

/// An access key and the ARN of its owner.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Principal"))]
struct Binding {
    #[cfg_attr(test, schemars(example = &"AKIAALICE"))]
    access_key_id: String,
    #[cfg_attr(test, schemars(example = &"arn:aws:iam::111122223333:user/alice"))]
    arn: String,
}

impl Body for Binding {
    const SHAPE: &'static str = "the body is {\"accessKeyId\": …, \"arn\": …}";
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Principals {
    principals: Vec<Binding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "AccessKey"))]
struct OneKey {
    /// The access key.
    access_key_id: String,
}

async fn list(call: Call<'_>, paging: Paging, _: NoBody) -> Result<Principals, Problem> {
    let found = list_principals(&call.control.platform, paging.after(), paging.limit()).await?;
    let (principals, next) = shown(found, Binding::from);
    Ok(Principals { principals, next })
}

async fn put(call: Call<'_>, _: NoQuery, binding: Binding) -> Result<Binding, Problem> {
    let (access_key_id, arn) = (binding.access_key_id.clone(), binding.arn.clone());
    bind_principal(&call.control.platform, access_key_id, arn).await?;
    Ok(binding)
}

async fn delete(call: Call<'_>, query: OneKey, _: NoBody) -> Result<OneKey, Problem> {
    if !release_principal(&call.control.platform, query.access_key_id.clone()).await? {
        return Err(Problem::not_found("no principal is bound to this access key"));
    }
    Ok(query)
}

impl From<Principal> for Binding {
    fn from(principal: Principal) -> Self {
        Self {
            access_key_id: principal.access_key_id,
            arn: principal.arn,
        }
    }
}
