//! One line of the table of routes.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::body::Body;
use crate::call::Call;
use crate::problem::Problem;
use crate::query::Parameters;

/// The methods of the API. A GET is also answered as HEAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Put,
    Post,
    Delete,
}

impl Verb {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// The parameters and the body of a request, not yet read as the types of the route.
pub(crate) struct Input {
    pub(crate) query: Parameters,
    pub(crate) body: Bytes,
}

impl Input {
    pub(crate) fn read<Q: DeserializeOwned, B: Body>(self) -> Result<(Q, B), Problem> {
        let query = serde_json::from_value(Value::Object(self.query))
            .map_err(|error| Problem::bad_request(error.to_string()))?;
        Ok((query, B::read(&self.body)?))
    }
}

pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Result<Bytes, Problem>> + Send + 'a>>;

/// A method of a path. The types of its query, its body and its answer are those of its handler.
pub(crate) struct Route {
    pub(crate) verb: Verb,
    /// A segment in braces is a parameter.
    pub(crate) path: &'static str,
    pub(crate) takes_body: bool,
    pub(crate) call: for<'a> fn(Call<'a>, Input) -> Answering<'a>,
    #[cfg(test)]
    pub(crate) about: About,
}

/// What the documents say of a route.
#[cfg(test)]
pub(crate) struct About {
    pub(crate) operation: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) schemas: fn(&mut Generators) -> Schemas,
}

/// The routes of one noun.
pub(crate) struct Room {
    #[cfg(test)]
    pub(crate) name: &'static str,
    #[cfg(test)]
    pub(crate) description: &'static str,
    pub(crate) routes: &'static [Route],
}

/// A room by its name, its description and its routes.
macro_rules! room {
    ($name:literal, $description:literal, [$($route:expr),+ $(,)?]) => {
        $crate::route::Room {
            #[cfg(test)]
            name: $name,
            #[cfg(test)]
            description: $description,
            routes: &[$($route),+],
        }
    };
}

/// A route by its method, its path, the name of the operation, its summary and its handler.
macro_rules! route {
    ($verb:ident, $path:literal, $operation:literal, $summary:literal, $handler:path) => {
        $crate::route::Route {
            verb: $crate::route::Verb::$verb,
            path: $path,
            takes_body: $crate::route::takes_body(&$handler),
            call: |call, input| {
                Box::pin(async move {
                    let (query, body) = input.read()?;
                    $crate::route::print($handler(call, query, body).await?).await
                })
            },
            #[cfg(test)]
            about: $crate::route::About {
                operation: $operation,
                summary: $summary,
                schemas: |generators| $crate::route::schemas(generators, &$handler),
            },
        }
    };
}

pub(crate) use {room, route};

/// Whether a handler has a body.
pub(crate) const fn takes_body<Q, B: Body, F>(_: &impl Fn(Call<'static>, Q, B) -> F) -> bool {
    B::IS_TAKEN
}

/// A page can be large, so it is printed on a thread that serves no requests.
pub(crate) async fn print<A: Serialize + Send + 'static>(answer: A) -> Result<Bytes, Problem> {
    let printed = tokio::task::spawn_blocking(move || serde_json::to_vec(&answer)).await;
    let printed = printed.map_err(Problem::fault)?.map_err(Problem::fault)?;
    Ok(Bytes::from(printed))
}

/// What is read and what is printed have schemas of their own.
#[cfg(test)]
pub(crate) struct Generators {
    pub(crate) read: schemars::SchemaGenerator,
    pub(crate) printed: schemars::SchemaGenerator,
}

#[cfg(test)]
pub(crate) struct Schemas {
    pub(crate) query: schemars::Schema,
    pub(crate) body: Option<schemars::Schema>,
    pub(crate) answer: schemars::Schema,
}

#[cfg(test)]
pub(crate) fn schemas<Q, B, A, F>(
    generators: &mut Generators,
    _: &impl Fn(Call<'static>, Q, B) -> F,
) -> Schemas
where
    Q: schemars::JsonSchema,
    B: Body + schemars::JsonSchema,
    A: schemars::JsonSchema,
    F: Future<Output = Result<A, Problem>>,
{
    Schemas {
        query: Q::json_schema(&mut generators.read),
        body: B::IS_TAKEN.then(|| generators.read.subschema_for::<B>()),
        answer: generators.printed.subschema_for::<A>(),
    }
}
