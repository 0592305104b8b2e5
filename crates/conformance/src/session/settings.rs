//! Reads the settings of an account before a run, so that they can be restored.

use anyhow::Result;
use serde_json::{Value, json};

use super::Session;
use crate::samples::Setting;

/// The calls that restore the current settings.
pub(crate) async fn load<'a>(
    session: &Session<'a>,
    settings: &'a [Setting],
) -> Result<Vec<(&'a str, Value)>> {
    let mut calls = Vec::new();
    for setting in settings {
        let input = Value::Object(setting.input.clone());
        let answer = session.call(&setting.get, &input).await?;
        match (answer.status, answer.body, &setting.delete) {
            (200, Some(body), _) => calls.push((setting.put.as_str(), pick(&body, setting))),
            (_, _, Some(delete)) => calls.push((delete.as_str(), json!({}))),
            _ => {}
        }
    }
    Ok(calls)
}

fn pick(body: &Value, setting: &Setting) -> Value {
    let picked = setting.members.iter().filter_map(|(name, pointer)| {
        let value = body.pointer(pointer)?;
        Some((name.clone(), value.clone()))
    });
    Value::Object(picked.collect())
}
