//! What a registry has once: read before a run, so that it can be put back.

use anyhow::Result;
use serde_json::{Value, json};

use super::Session;

const ACCOUNT_SETTINGS: [&str; 3] = [
    "BASIC_SCAN_TYPE_VERSION",
    "BLOB_MOUNTING",
    "REGISTRY_POLICY_SCOPE",
];

/// The calls that put the present settings back.
pub(crate) async fn load(session: &Session<'_>) -> Result<Vec<(&'static str, Value)>> {
    let mut calls = Vec::new();
    for (get, put, delete, members) in [
        (
            "GetRegistryPolicy",
            "PutRegistryPolicy",
            Some("DeleteRegistryPolicy"),
            &[("/policyText", "policyText")][..],
        ),
        (
            "GetSigningConfiguration",
            "PutSigningConfiguration",
            Some("DeleteSigningConfiguration"),
            &[("/signingConfiguration", "signingConfiguration")],
        ),
        (
            "GetRegistryScanningConfiguration",
            "PutRegistryScanningConfiguration",
            None,
            &[
                ("/scanningConfiguration/scanType", "scanType"),
                ("/scanningConfiguration/rules", "rules"),
            ],
        ),
        (
            "DescribeRegistry",
            "PutReplicationConfiguration",
            None,
            &[("/replicationConfiguration", "replicationConfiguration")],
        ),
    ] {
        let answer = session.call(get, &json!({})).await?;
        match (answer.status, answer.body, delete) {
            (200, Some(body), _) => calls.push((put, pick(&body, members))),
            (_, _, Some(delete)) => calls.push((delete, json!({}))),
            _ => {}
        }
    }
    for name in ACCOUNT_SETTINGS {
        let answer = session
            .call("GetAccountSetting", &json!({ "name": name }))
            .await?;
        if let (200, Some(body)) = (answer.status, answer.body) {
            let members = [("/name", "name"), ("/value", "value")];
            calls.push(("PutAccountSetting", pick(&body, &members)));
        }
    }
    Ok(calls)
}

fn pick(body: &Value, members: &[(&str, &str)]) -> Value {
    let picked = members.iter().filter_map(|(pointer, name)| {
        let value = body.pointer(pointer)?;
        Some(((*name).to_owned(), value.clone()))
    });
    Value::Object(picked.collect())
}
