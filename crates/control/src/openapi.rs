//! The OpenAPI document and the list of routes in the documentation, made from the table of routes.
//!
//! `cargo xtask openapi` writes both; the tests compare them with the committed files.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::problem::{self, ProblemDetails};
use crate::route::{Generators, Room, Route, Schemas};
use crate::routes::ROOMS;

const WRITE: &str = "ECRU_TESTS_WRITE_OPENAPI";
const LIST_BEGINS: &str = "<!-- The routes, written by `cargo xtask openapi`. -->\n";
const LIST_ENDS: &str = "<!-- The end of the routes. -->";
const DESCRIPTION: &str = "Inspects and sets a running ecru. Requests need no credentials; requests that pages of other sites send are \
    refused. Lists have pages: `limit` is the most entries, and `next` of a page is the `after` of the following one.";

/// The operations of each path by method, and the schemas by name.
struct Document {
    paths: BTreeMap<&'static str, Map<String, Value>>,
    schemas: Map<String, Value>,
}

fn rooms() -> impl Iterator<Item = &'static Room> {
    ROOMS.iter().flat_map(|rooms| rooms.iter())
}

fn document() -> Document {
    let settings = || {
        SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = Cow::Borrowed("/components/schemas");
        })
    };
    let mut generators = Generators {
        read: settings().for_deserialize().into_generator(),
        printed: settings().for_serialize().into_generator(),
    };
    let mut paths = BTreeMap::<_, Map<String, Value>>::new();
    for room in rooms() {
        for route in room.routes {
            let schemas = (route.about.schemas)(&mut generators);
            let operation = operation(room, route, schemas);
            let operations = paths.entry(route.path).or_default();
            operations.insert(route.verb.name().to_lowercase(), operation);
        }
    }
    generators.printed.subschema_for::<ProblemDetails<'_>>();
    let mut schemas = generators.read.take_definitions(true);
    for (name, schema) in generators.printed.take_definitions(true) {
        let other = schemas.insert(name.clone(), schema.clone());
        assert!(
            other.is_none_or(|other| other == schema),
            "two types have the name `{name}`"
        );
    }
    schemas.values_mut().for_each(without_null);
    Document { paths, schemas }
}

fn operation(room: &Room, route: &Route, schemas: Schemas) -> Value {
    let mut answer = schemas.answer.to_value();
    without_null(&mut answer);
    let mut operation = json!({
        "operationId": route.about.operation,
        "summary": route.about.summary,
        "tags": [room.name],
        "responses": {
            "200": { "description": "The answer", "content": { "application/json": { "schema": answer } } },
            "default": { "$ref": "#/components/responses/Problem" },
        },
    });
    let parameters = parameters(route, schemas.query.to_value());
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(body) = schemas.body {
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": body } } });
    }
    operation
}

fn parameters(route: &Route, mut query: Value) -> Vec<Value> {
    without_null(&mut query);
    let is_required = |name: &String| {
        let required = query["required"].as_array();
        required.is_some_and(|required| required.iter().any(|required| required == name))
    };
    let mut parameters = Vec::new();
    for (name, schema) in query["properties"].as_object().into_iter().flatten() {
        let in_path = route.path.contains(&format!("{{{name}}}"));
        let mut schema = schema.clone();
        let description = schema
            .as_object_mut()
            .and_then(|schema| schema.remove("description"));
        parameters.push(json!({
            "name": name,
            "in": if in_path { "path" } else { "query" },
            "required": is_required(name),
            "description": description.expect("every parameter has a description"),
            "schema": schema,
        }));
    }
    parameters
}

/// An absent member is never written as null.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(without_null),
        Value::Object(members) => {
            members.values_mut().for_each(without_null);
            if let Some(types) = members.get_mut("type")
                && let Some(names) = types.as_array_mut()
            {
                names.retain(|name| name != "null");
                if let [name] = names.as_slice() {
                    *types = name.clone();
                }
            }
            if let Some(schemas) = members.get_mut("anyOf").and_then(Value::as_array_mut) {
                schemas.retain(|schema| *schema != json!({ "type": "null" }));
                if let [only] = schemas.as_slice() {
                    let only = only.as_object().cloned().unwrap_or_default();
                    members.remove("anyOf");
                    members.extend(only);
                }
            }
            if members.get("default") == Some(&Value::Null) {
                members.remove("default");
            }
        }
        _ => {}
    }
}

/// One line for each operation and each schema: short, and a change shows where it is.
fn print(document: &Document) -> String {
    let mut text = String::from("{\n");
    let info = json!({
        "title": "ecru control API",
        "version": "1",
        "description": DESCRIPTION,
        "license": { "name": "Apache License 2.0", "identifier": "Apache-2.0" },
    });
    let tags = rooms().map(|room| json!({ "name": room.name, "description": room.description }));
    let _ = writeln!(text, "\"openapi\": \"3.1.0\",\n\"info\": {info},");
    let _ = writeln!(
        text,
        "\"servers\": [{}],",
        json!({ "url": "http://localhost:4566" })
    );
    let _ = writeln!(text, "\"security\": [],\n\"tags\": {},", tags.collect::<Value>());
    let paths = document.paths.iter().map(|(path, operations)| {
        let operations = operations
            .iter()
            .map(|(verb, operation)| format!("{}: {operation}", json!(verb)));
        format!("{}: {{\n{}\n}}", json!(path), joined(operations))
    });
    let _ = writeln!(text, "\"paths\": {{\n{}\n}},", joined(paths));
    let problem = json!({ "Problem": {
        "description": "Why the request was refused",
        "content": { problem::MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/ProblemDetails" } } },
    } });
    let schemas = document
        .schemas
        .iter()
        .map(|(name, schema)| format!("{}: {schema}", json!(name)));
    let schemas = joined(schemas);
    let _ = writeln!(
        text,
        "\"components\": {{\n\"responses\": {problem},\n\"schemas\": {{\n{schemas}\n}}\n}}\n}}"
    );
    text
}

fn joined(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join(",\n")
}

/// The table of the documentation.
fn list(document: &Document) -> String {
    let mut text = String::from("| request | response or effect | parameters |\n|---|---|---|\n");
    for route in rooms().flat_map(|room| room.routes) {
        let verb = route.verb.name();
        let operation = &document.paths[route.path][&verb.to_lowercase()];
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let parameters = parameters
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| format!("`{}`", parameter["name"].as_str().unwrap_or_default()));
        let parameters = parameters.collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            text,
            "| `{verb} {}` | {} | {parameters} |",
            route.path, route.about.summary
        );
    }
    text
}

fn file(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

#[expect(
    clippy::disallowed_methods,
    reason = "whether to write is for the person who runs the tests to say"
)]
fn writes() -> bool {
    std::env::var_os(WRITE).is_some()
}

#[test]
fn the_document_and_the_list_of_routes_follow_from_the_table() {
    let document = document();
    let (path, page) = (file("openapi.json"), file("../../docs/control-api.md"));
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(LIST_BEGINS).unwrap();
    let (listed, after) = rest.split_once(LIST_ENDS).unwrap();
    if writes() {
        fs::write(path, print(&document)).unwrap();
        let list = list(&document);
        fs::write(page, format!("{before}{LIST_BEGINS}\n{list}\n{LIST_ENDS}{after}")).unwrap();
        return;
    }
    // Compared as values, because the order of members depends on how the tests were built.
    let committed = serde_json::from_str::<Value>(&fs::read_to_string(path).unwrap()).unwrap();
    let made = serde_json::from_str::<Value>(&print(&document)).unwrap();
    assert!(
        committed == made,
        "`cargo xtask openapi` writes the document again"
    );
    assert_eq!(
        listed.trim(),
        list(&document).trim(),
        "`cargo xtask openapi` writes the list again"
    );
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let routes = rooms().flat_map(|room| room.routes);
    let mut names = routes.map(|route| route.about.operation).collect::<Vec<_>>();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
