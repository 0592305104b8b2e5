//! Lock files that list `[[package]]` tables, as Cargo, Poetry and uv write them. Only the few needed keys
//! are read.

use std::io::Read;
use std::ops::ControlFlow;

use super::ReadError;
use super::lines::for_each_line;
use super::sink::Sink;
use crate::package::{Manager, Package};

#[derive(Default)]
struct Table {
    name: String,
    version: String,
    source: Option<String>,
}

/// `from` decides by its source whether a package was installed from a registry.
pub(super) fn read(
    content: &mut dyn Read,
    manager: Manager,
    from: fn(Option<&str>) -> bool,
    sink: &mut Sink<'_>,
) -> Result<(), ReadError> {
    let mut table: Option<Table> = None;
    let finish = |table: Option<Table>| {
        let table = table.filter(|table| from(table.source.as_deref()))?;
        Package::named(manager, &table.name, &table.version)
    };
    for_each_line(content, |line| {
        if line.starts_with('[') {
            sink.take(finish(table.take()))?;
            table = (line.trim_end() == "[[package]]").then(Table::default);
        } else if let (Some(table), Some((key, value))) = (&mut table, line.split_once('=')) {
            let value = value.trim();
            let text = || value.trim_matches('"').to_owned();
            match key.trim() {
                "name" => table.name = text(),
                "version" => table.version = text(),
                "source" => table.source = Some(text()),
                _ => {}
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(sink.take(finish(table))?)
}
