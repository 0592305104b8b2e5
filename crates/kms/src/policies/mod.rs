//! Key policies: stored and returned as they are. Nothing is decided by them yet.

mod get_key_policy;
mod list_key_policies;
mod put_key_policy;

use ecru_model::Scope;
use ecru_store::{StoreError, Tx, Value};

use crate::Error;
use crate::error::refused;
use crate::generated::error_code::ErrorCode;
use crate::generated::shapes::PolicyType;
use crate::records::key::{Key, place};

pub(crate) use get_key_policy::get_key_policy;
pub(crate) use list_key_policies::list_key_policies;
pub(crate) use put_key_policy::put_key_policy;

/// The one name that a policy may have.
const NAME: &str = "default";
const POLICY_BYTES_MAX: usize = 32 * 1024;

/// Checks that a text is a policy.
pub(crate) fn accept(policy: &PolicyType) -> Result<String, Error> {
    let text = policy.as_str();
    if text.len() > POLICY_BYTES_MAX {
        return Err(refused(
            ErrorCode::LimitExceededException,
            format!("The policy exceeds {POLICY_BYTES_MAX} bytes"),
        ));
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(document) if is_policy(&document) => Ok(text.to_owned()),
        _ => Err(refused(
            ErrorCode::MalformedPolicyDocumentException,
            "Policy contains a statement or a member that is not valid",
        )),
    }
}

fn is_policy(document: &serde_json::Value) -> bool {
    let statements = match document.get("Statement") {
        Some(serde_json::Value::Array(statements)) => statements.as_slice(),
        Some(statement @ serde_json::Value::Object(_)) => std::slice::from_ref(statement),
        _ => return false,
    };
    !statements.is_empty() && statements.iter().all(is_statement)
}

fn is_statement(statement: &serde_json::Value) -> bool {
    let has = |names: [&str; 2]| names.iter().any(|name| statement.get(name).is_some());
    let effect = statement.get("Effect").and_then(serde_json::Value::as_str);
    matches!(effect, Some("Allow" | "Deny"))
        && has(["Principal", "NotPrincipal"])
        && has(["Action", "NotAction"])
        && has(["Resource", "NotResource"])
}

pub(crate) fn save(tx: &Tx<'_>, key: &Key, policy: &str) -> Result<(), StoreError> {
    let [account, region, id] = place(&key.scope, &key.id);
    tx.execute(
        "INSERT INTO kms_policies (account, region, key_id, policy) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (account, region, key_id) DO UPDATE SET policy = excluded.policy",
        &[account, region, id, Value::Text(policy)],
    )?;
    Ok(())
}

/// The policy of a key that was made without one, in the form that KMS writes.
fn default_policy(scope: &Scope) -> String {
    let root = scope.iam_arn("root");
    format!(
        "{{\n  \"Version\" : \"2012-10-17\",\n  \"Id\" : \"key-default-1\",\n  \"Statement\" : [ {{\n    \
         \"Sid\" : \"Enable IAM User Permissions\",\n    \"Effect\" : \"Allow\",\n    \"Principal\" : {{\n      \
         \"AWS\" : \"{root}\"\n    }},\n    \"Action\" : \"kms:*\",\n    \"Resource\" : \"*\"\n  }} ]\n}}"
    )
}

/// The policy of the default key of ECR: the account may use it through ECR, and read about it.
fn managed_policy(scope: &Scope) -> String {
    let account = &scope.registry_id;
    let service = format!("ecr.{}.{}", scope.region, scope.region.dns_suffix());
    let policy = serde_json::json!({
        "Version": "2012-10-17",
        "Id": "auto-ecr-1",
        "Statement": [
            {
                "Sid": "Allow access through ECR for all principals in the account",
                "Effect": "Allow",
                "Principal": { "AWS": "*" },
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey", "kms:RetireGrant"],
                "Resource": "*",
                "Condition": { "StringEquals": { "kms:CallerAccount": account.as_str(), "kms:ViaService": service } }
            },
            {
                "Sid": "Allow direct access to key metadata to the account",
                "Effect": "Allow",
                "Principal": { "AWS": scope.iam_arn("root") },
                "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
                "Resource": "*"
            }
        ]
    });
    policy.to_string()
}

#[cfg(test)]
mod tests {
    use ecru_model::{Region, RegistryId};

    use super::*;

    #[test]
    fn a_policy_is_a_document_with_whole_statements() {
        let statement = r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}"#;
        for (text, good) in [
            (format!(r#"{{"Statement":[{statement}]}}"#), true),
            (
                format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#),
                true,
            ),
            (r#"{"Statement":[]}"#.to_owned(), false),
            (r#"{"Statement":[{"Effect":"Allow"}]}"#.to_owned(), false),
            (format!("[{statement}]"), false),
            ("not json".to_owned(), false),
        ] {
            let refused = accept(&PolicyType::parse(text.clone()).unwrap()).err();
            let code = refused.map(|error| error.code.name);
            assert_eq!(
                code,
                (!good).then_some("MalformedPolicyDocumentException"),
                "{text}"
            );
        }
        let long = PolicyType::parse(" ".repeat(POLICY_BYTES_MAX + 1)).unwrap();
        assert_eq!(accept(&long).unwrap_err().code.name, "LimitExceededException");
    }

    #[test]
    fn the_policies_that_keys_begin_with_are_policies() {
        let scope = Scope {
            registry_id: RegistryId::parse("000000000000").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        for text in [default_policy(&scope), managed_policy(&scope)] {
            assert!(accept(&PolicyType::parse(text).unwrap()).is_ok());
        }
    }
}
