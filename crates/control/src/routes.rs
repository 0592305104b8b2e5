//! The table of routes: a slice for each room.

use http::Method;

use crate::route::{Room, Route, Verb};
use crate::{ecr, fakecloud, platform};

/// In the order of the documentation.
pub(crate) const ROOMS: &[&[Room]] = &[ecr::ROOMS, platform::ROOMS, fakecloud::ROOMS];

/// The parameters in a path by name.
pub(crate) type InPath<'p> = Vec<(&'static str, &'p str)>;

pub(crate) enum Found<'p> {
    Route(&'static Route, InPath<'p>),
    /// The methods of a path that does not have the requested one.
    OtherMethods(String),
    Nothing,
}

pub(crate) fn routes() -> impl Iterator<Item = &'static Route> {
    ROOMS
        .iter()
        .flat_map(|rooms| rooms.iter())
        .flat_map(|room| room.routes)
}

pub(crate) fn find<'p>(method: &Method, path: &'p str) -> Found<'p> {
    let method = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let mut others = Vec::new();
    for route in routes() {
        let Some(parameter) = matched(route.path, path) else {
            continue;
        };
        if route.verb.name() == method.as_str() {
            return Found::Route(route, parameter);
        }
        others.push(match route.verb {
            Verb::Get => "GET, HEAD",
            verb => verb.name(),
        });
    }
    if others.is_empty() {
        return Found::Nothing;
    }
    Found::OtherMethods(others.join(", "))
}

/// The parameters in the path, or `None` if the path is another one.
fn matched<'p>(template: &'static str, path: &'p str) -> Option<InPath<'p>> {
    let (mut expected, mut segments) = (template.split('/'), path.split('/'));
    let mut parameters = InPath::new();
    loop {
        let (expected, segment) = match (expected.next(), segments.next()) {
            (None, None) => return Some(parameters),
            (expected, segment) => (expected?, segment?),
        };
        let name = expected.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        match name {
            Some(name) if !segment.is_empty() => parameters.push((name, segment)),
            None if expected == segment => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &Method, path: &str, expected: &str) {
        let found = match find(method, path) {
            Found::Route(route, parameters) => {
                let parameters = parameters.iter().map(|(name, value)| format!(" {name}={value}"));
                route.about.operation.to_owned() + &parameters.collect::<String>()
            }
            Found::OtherMethods(methods) => methods,
            Found::Nothing => String::new(),
        };
        assert_eq!(found, expected, "{method} {path}");
    }

    #[test]
    fn a_route_is_found_by_method_and_path() {
        check(&Method::GET, "/_ecru/clock", "getClock");
        check(&Method::HEAD, "/_ecru/clock", "getClock");
        check(&Method::POST, "/_ecru/clock", "GET, HEAD, PUT, DELETE");
        check(&Method::GET, "/_ecru/reset", "POST");
        check(
            &Method::POST,
            "/_fakecloud/reset/ecr",
            "resetServiceAsFakecloud service=ecr",
        );
        check(&Method::POST, "/_fakecloud/reset/", "");
        check(&Method::GET, "/_ecru/clock/", "");
        check(&Method::POST, "/_ecru/nothing", "");
    }

    #[test]
    fn no_two_routes_are_the_same() {
        let mut routes = routes()
            .map(|route| (route.path, route.verb.name()))
            .collect::<Vec<_>>();
        let count = routes.len();
        routes.sort_unstable();
        routes.dedup();
        assert_eq!(routes.len(), count);
    }
}
