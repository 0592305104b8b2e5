//! `/_ecru/…` and `/_fakecloud/…`: the stored data of every account and region, and a reset to an empty
//! state.

mod body;
mod controls;
mod duration;
mod ecru;
mod fakecloud;
mod findings;
mod lifecycle;
mod query;
mod secrets;
mod verification;

use std::{error::Error as StdError, sync::Arc};

use bytes::Bytes;
use ecru_model::{ErrorCode, RegistryId, Timestamp};
use ecru_platform::principals::BindError;
use ecru_platform::{BodyRefused, Page, ServiceError, paging::Extent};
use ecru_registry::{Endpoint, Error, Service, introspection::RepositorySummary};
use ecru_store::StoreError;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use serde_json::{Value, json};

use crate::{
    compose::Services,
    own_api::{is_read, not_allowed},
    refusals::{FAULT, NOT_FOUND, json_answer, text_answer},
    reply::Content,
};
use query::Query;

/// A request to one of these paths.
pub(crate) struct Asked<'a> {
    pub(crate) services: &'a Services,
    pub(crate) service: &'a Arc<Service>,
    pub(crate) endpoint: &'a Endpoint,
    query: Query,
    /// The body of the request, if the request sets something.
    body: Bytes,
}

/// Why a request cannot be answered.
enum Problem {
    BadRequest(&'static str),
    NotFound(&'static str),
    /// A bad request with its own message.
    Wrong(String),
    TooLong,
    Body(BodyRefused),
    Registry(Error),
    Failed(ServiceError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        Problem::Registry(error)
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Problem {
        Problem::Failed(error)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        Problem::Failed(error.into())
    }
}

impl From<BindError> for Problem {
    fn from(error: BindError) -> Problem {
        match error {
            BindError::Store(error) => error.into(),
            refused => Problem::Wrong(refused.to_string()),
        }
    }
}

type Answered = Result<Value, Problem>;

/// `None` for any other path.
pub(crate) async fn answer<B>(
    services: &Services,
    endpoint: &Endpoint,
    request: &mut Request<B>,
) -> Option<Response<Content>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let (family, rest) = uri.path().strip_prefix("/_")?.split_once('/')?;
    if !matches!(family, "ecru" | "fakecloud") {
        return None;
    }
    let Some(query) = Query::parse(uri.query().unwrap_or_default()) else {
        return Some(bad_request("the query is not percent-encoded UTF-8"));
    };
    let received = if family == "ecru" && controls::takes_body(&method, rest) {
        body::receive(request.body_mut(), &services.platform.bodies)
            .await
            .map(Some)
    } else {
        Ok(None)
    };
    let (body, _held) = match received {
        Ok(received) => received.map(|received| (received.bytes, received.held)).unzip(),
        Err(problem) => return Some(problem.answer()),
    };
    let asked = Asked {
        services,
        service: &services.ecr,
        endpoint,
        query,
        body: body.unwrap_or_default(),
    };
    if let Some(named) = reset_path(rest) {
        return Some(if method == Method::POST {
            asked.reset(named).await
        } else {
            not_allowed("POST")
        });
    }
    if family == "ecru"
        && let Some(answered) = controls::control(&asked, &method, rest).await
    {
        return Some(answered.map_or_else(|refused| refused, answer_with));
    }
    if !is_read(&method) {
        return Some(not_allowed("GET, HEAD"));
    }
    if (family, rest) == ("ecru", "events") {
        let printed = ecru::events(&asked).await;
        return Some(printed.map_or_else(
            |problem| problem.answer(),
            |json| text_answer(StatusCode::OK, json),
        ));
    }
    let listed = match family {
        "ecru" => ecru::list(&asked, rest).await,
        _ => fakecloud::list(&asked, rest).await,
    };
    Some(listed.map_or_else(|| NOT_FOUND.own_answer(), answer_with))
}

/// The service that a reset names in its path, empty if it names none. `None` for another path.
fn reset_path(rest: &str) -> Option<&str> {
    match rest.strip_prefix("reset")? {
        "" => Some(""),
        named => named.strip_prefix('/'),
    }
}

fn answer_with(answered: Answered) -> Response<Content> {
    match answered {
        Ok(answer) => json_answer(StatusCode::OK, &answer),
        Err(problem) => problem.answer(),
    }
}

impl Problem {
    fn answer(&self) -> Response<Content> {
        match self {
            Problem::BadRequest(message) => bad_request(message),
            Problem::NotFound(message) => json_answer(StatusCode::NOT_FOUND, &json!({ "message": message })),
            Problem::Wrong(message) => bad_request(message),
            Problem::TooLong => refused_body(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 1 MiB"),
            Problem::Body(BodyRefused::Silent) => refused_body(
                StatusCode::REQUEST_TIMEOUT,
                "no byte of the body arrived for 60 seconds",
            ),
            Problem::Body(BodyRefused::Slow) => refused_body(
                StatusCode::REQUEST_TIMEOUT,
                "the body arrived at less than 64 KiB a second while others waited",
            ),
            Problem::Body(BodyRefused::Crowded) => refused_body(
                StatusCode::SERVICE_UNAVAILABLE,
                "other bodies took all memory that is set aside for bodies: try again",
            ),
            Problem::Registry(error) if error.code == ErrorCode::RepositoryNotFoundException => {
                json_answer(StatusCode::NOT_FOUND, &json!({ "message": error.message }))
            }
            Problem::Registry(error)
                if matches!(
                    error.code,
                    ErrorCode::InvalidParameterException | ErrorCode::LimitExceededException
                ) =>
            {
                bad_request(&error.message)
            }
            Problem::Registry(error)
                if matches!(
                    error.code,
                    ErrorCode::RepositoryNotFoundException | ErrorCode::LifecyclePolicyNotFoundException
                ) =>
            {
                json_answer(StatusCode::NOT_FOUND, &json!({ "message": error.message }))
            }
            Problem::Failed(error) => {
                tracing::error!(error = error as &dyn std::error::Error, "introspection failed");
                FAULT.own_answer()
            }
            Problem::Registry(error) => {
                tracing::error!(error = error as &dyn std::error::Error, "introspection failed");
                FAULT.own_answer()
            }
        }
    }
}

fn refused_body(status: StatusCode, message: &str) -> Response<Content> {
    json_answer(status, &json!({ "message": message }))
}

fn bad_request(message: &str) -> Response<Content> {
    json_answer(StatusCode::BAD_REQUEST, &json!({ "message": message }))
}

impl Asked<'_> {
    /// `None` if the body is not JSON of this type.
    fn read_body<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        self.try_read_body().ok()
    }

    fn try_read_body<T: serde::de::DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.body)
    }

    fn limit(&self, default: u32, max: u32) -> Result<u32, Problem> {
        const LIMIT: Problem = Problem::BadRequest("`limit` is a number from 1 up");

        let limit = self
            .query
            .get("limit")
            .map_or(Ok(default), |text| text.parse().map_err(|_| LIMIT))?;
        if limit == 0 {
            return Err(LIMIT);
        }
        Ok(limit.min(max))
    }

    fn extent(&self, default: u32, max: u32) -> Result<Extent, Problem> {
        const AFTER: Problem = Problem::BadRequest("`after` must be the `next` of the previous page");

        let after = self
            .query
            .get("after")
            .map_or(Ok(0), |text| text.parse().map_err(|_| AFTER))?;
        Ok(Extent {
            after,
            limit: self.limit(default, max)?,
        })
    }

    async fn reset(&self, service_in_path: &str) -> Response<Content> {
        let in_path = Some(service_in_path).filter(|name| !name.is_empty());
        let named = in_path.or(self.query.get("service"));
        let Ok(account) = self.query.get("account").map(RegistryId::parse).transpose() else {
            return bad_request("an account is 12 digits");
        };
        match self.services.reset(named, account).await {
            Ok(false) => {
                let known = self.services.names().join("`, `");
                bad_request(&format!("the services here are `{known}`"))
            }
            Ok(true) => json_answer(StatusCode::OK, &json!({ "status": "ok" })),
            Err(error) => Problem::from(error).answer(),
        }
    }
}

/// A list under its name, with `next` if more entries follow.
fn page<T>(name: &str, page: &Page<T, i64>, item: impl Fn(&T) -> Value) -> Value {
    let items: Vec<Value> = page.items.iter().map(item).collect();
    let body = json!({ name: items });
    match page.next {
        Some(next) => with(body, "next", next.to_string()),
        None => body,
    }
}

fn with(mut object: Value, name: &str, value: impl Into<Value>) -> Value {
    if let Value::Object(members) = &mut object {
        members.insert(name.to_owned(), value.into());
    }
    object
}

fn repository(summary: &RepositorySummary) -> Value {
    let tags: Vec<Value> = summary
        .tags
        .iter()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect();
    json!({
        "repositoryName": summary.place.repository_name.as_str(),
        "repositoryArn": summary.place.arn(),
        "registryId": summary.place.scope.registry_id.as_str(),
        "repositoryUri": summary.uri,
        "imageTagMutability": summary.image_tag_mutability,
        "scanOnPush": summary.scan_on_push,
        "createdAt": time(summary.created_at),
        "tags": tags,
        "hasPolicy": summary.has_policy,
        "hasLifecyclePolicy": summary.has_lifecycle_policy,
        "imageCount": summary.image_count,
        "layerCount": summary.layer_count,
    })
}

/// RFC 3339.
fn time(moment: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(moment.as_millis())
        .map(|time| time.to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(
            time(Timestamp::from_millis(1_700_000_000_123)),
            "2023-11-14T22:13:20.123Z"
        );
    }
}
