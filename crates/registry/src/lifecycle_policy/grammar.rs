//! Reads the text of a lifecycle policy, and refuses an invalid one in the words of ECR's own validator.

use std::collections::{BTreeMap, BTreeSet};

use ecru_model::json;
use serde_json::{Map, Value};

use super::policy::{
    ARCHIVED_DAYS_MIN, Action, Limit, Policy, RULES_MAX, Rule, Since, StorageClass, TagRequirement, Unit,
    WILDCARDS_MAX,
};

/// The text after `Lifecycle policy validation failure: `, with a closing quote where ECR has one.
pub(crate) type Violation = String;

const NO_SCHEMA: &str = "instance failed to match exactly one schema (matched 0 out of 2)";

pub(crate) fn parse(text: &str) -> Result<Policy, Violation> {
    if json::nests_deeper_than(text.as_bytes(), json::DEPTH_MAX) {
        return Err(not_mapped());
    }
    let document: Map<String, Value> = serde_json::from_str(text).map_err(|_| not_mapped())?;
    check_members(&document, &["rules"], &["rules"])?;
    let rules = list(document.get("rules"))?;
    // [unknown] ECR's wording; this is the wording of validators of its kind.
    if rules.is_empty() {
        return Err(too_short());
    }
    if rules.len() > RULES_MAX {
        return Err(closed(format!(
            "array is too long: must have at most {RULES_MAX} elements but instance has {} elements",
            rules.len()
        )));
    }
    let mut rules = rules.iter().map(read_rule).collect::<Result<Vec<_>, _>>()?;
    check_together(&rules)?;
    rules.sort_by_key(|rule| rule.priority);
    Ok(Policy { rules })
}

/// Whether the rules of an accepted text are in the order of their priorities.
pub(super) fn is_in_order(text: &str) -> bool {
    let document = serde_json::from_str::<Value>(text).unwrap_or_default();
    let rules = document.get("rules").and_then(Value::as_array);
    rules.is_some_and(|rules| rules.is_sorted_by_key(|rule| rule.get("rulePriority").and_then(Value::as_i64)))
}

fn read_rule(value: &Value) -> Result<Rule, Violation> {
    let rule = object(Some(value))?;
    check_members(
        rule,
        &["action", "rulePriority", "selection"],
        &["action", "description", "rulePriority", "selection"],
    )?;
    let priority = number(rule.get("rulePriority"), 1)?;
    let description = match rule.get("description") {
        None => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => return Err(wrong_type(other, "string")),
    };
    let action = read_action(object(rule.get("action"))?)?;
    let selection = object(rule.get("selection"))?;
    check_members(
        selection,
        &["countNumber", "countType", "tagStatus"],
        &[
            "countNumber",
            "countType",
            "countUnit",
            "storageClass",
            "tagPatternList",
            "tagPrefixList",
            "tagStatus",
        ],
    )?;
    if selection.values().any(Value::is_null) {
        return Err(NO_SCHEMA.to_owned());
    }
    let tags = read_tags(selection)?;
    let limit = read_limit(selection)?;
    let class = read_class(selection)?;
    check_pairs(limit, class, action)?;

    Ok(Rule {
        priority,
        description,
        tags,
        class,
        names_class: selection.contains_key("storageClass"),
        limit,
        action,
    })
}

fn read_action(action: &Map<String, Value>) -> Result<Action, Violation> {
    check_members(action, &["type"], &["targetStorageClass", "type"])?;
    let kind = choice(action.get("type"), &["expire", "transition"])?;
    match (kind, action.get("targetStorageClass").map(Value::as_str)) {
        ("expire", None) => Ok(Action::Expire),
        ("transition", Some(Some("archive"))) => Ok(Action::Archive),
        _ => Err(NO_SCHEMA.to_owned()),
    }
}

fn read_tags(selection: &Map<String, Value>) -> Result<TagRequirement, Violation> {
    let status = choice(selection.get("tagStatus"), &["any", "tagged", "untagged"])?;
    let prefixes = texts(selection.get("tagPrefixList"))?;
    let patterns = texts(selection.get("tagPatternList"))?;
    match (status, prefixes, patterns) {
        ("any", None, None) => Ok(TagRequirement::Any),
        ("untagged", None, None) => Ok(TagRequirement::Untagged),
        ("tagged", Some(prefixes), None) => Ok(TagRequirement::Prefixes(prefixes)),
        ("tagged", None, Some(patterns)) => {
            let starred = |pattern: &String| pattern.matches('*').count() > WILDCARDS_MAX;
            if patterns.iter().any(starred) {
                // [unknown] ECR's wording.
                return Err(closed(format!(
                    "A tag pattern can have at most {WILDCARDS_MAX} wildcards (*)."
                )));
            }
            Ok(TagRequirement::Patterns(patterns))
        }
        ("tagged", None, None) => Err(closed(
            "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED.",
        )),
        // [unknown] ECR's wording of both sentences.
        ("tagged", Some(_), Some(_)) => Err(closed(
            "Must specify only one of tagPrefixList and tagPatternList.",
        )),
        _ => Err(closed(
            "Can only specify tagPrefixList or tagPatternList when tagStatus=TAGGED.",
        )),
    }
}

fn read_limit(selection: &Map<String, Value>) -> Result<Limit, Violation> {
    let since = match selection.get("countType").and_then(Value::as_str) {
        Some("imageCountMoreThan") => None,
        Some("sinceImagePushed") => Some(Since::Pushed),
        Some("sinceImagePulled") => Some(Since::Pulled),
        Some("sinceImageTransitioned") => Some(Since::Transitioned),
        _ => return Err(NO_SCHEMA.to_owned()),
    };
    let unit = match selection.get("countUnit") {
        None => None,
        unit => Some(match choice(unit, &["days", "hours"])? {
            "hours" => Unit::Hours,
            _ => Unit::Days,
        }),
    };
    let number = number(selection.get("countNumber"), 1)?;
    match (since, unit) {
        (None, None) => Ok(Limit::Count(number)),
        (Some(since), Some(unit)) => Ok(Limit::Age { since, number, unit }),
        _ => Err(NO_SCHEMA.to_owned()),
    }
}

fn read_class(selection: &Map<String, Value>) -> Result<StorageClass, Violation> {
    match selection.get("storageClass") {
        None => Ok(StorageClass::Standard),
        given => Ok(match choice(given, &["archive", "standard"])? {
            "archive" => StorageClass::Archive,
            _ => StorageClass::Standard,
        }),
    }
}

/// Checks which limits may be combined with which class and action.
fn check_pairs(limit: Limit, class: StorageClass, action: Action) -> Result<(), Violation> {
    let fits = match limit {
        Limit::Count(_)
        | Limit::Age {
            since: Since::Pushed, ..
        } => class == StorageClass::Standard,
        Limit::Age {
            since: Since::Pulled, ..
        } => class == StorageClass::Standard && action == Action::Archive,
        Limit::Age {
            since: Since::Transitioned,
            number,
            unit,
        } => {
            if i64::from(number) * unit.milliseconds() < ARCHIVED_DAYS_MIN * Unit::Days.milliseconds() {
                let minimum = ARCHIVED_DAYS_MIN * (Unit::Days.milliseconds() / unit.milliseconds());
                return Err(below(minimum, number.into()));
            }
            class == StorageClass::Archive && action == Action::Expire
        }
    };
    if fits { Ok(()) } else { Err(NO_SCHEMA.to_owned()) }
}

/// Checks the conditions over all rules together.
fn check_together(rules: &[Rule]) -> Result<(), Violation> {
    let mut priorities = BTreeSet::new();
    if let Some(twice) = rules.iter().find(|rule| !priorities.insert(rule.priority)) {
        // [unknown] ECR's wording.
        let priority = twice.priority;
        return Err(closed(format!(
            "Rules must have unique priorities, but {priority} is used twice."
        )));
    }
    for class in [StorageClass::Standard, StorageClass::Archive] {
        let rules = rules.iter().filter(|rule| rule.class == class);
        let by_priority: BTreeMap<i32, &Rule> = rules.map(|rule| (rule.priority, rule)).collect();
        check_class(&by_priority)?;
    }
    Ok(())
}

fn check_class(by_priority: &BTreeMap<i32, &Rule>) -> Result<(), Violation> {
    let mut untagged = false;
    let mut prefix_sets = BTreeSet::new();
    let last = by_priority.keys().next_back();
    for (priority, rule) in by_priority {
        match &rule.tags {
            TagRequirement::Any if Some(priority) != last => {
                return Err(closed(
                    "Rule for tagStatus=ANY must have the lowest priority per storage class",
                ));
            }
            TagRequirement::Untagged if untagged => {
                return Err(closed(
                    "Only one rule can select Untagged images per storage class.",
                ));
            }
            TagRequirement::Untagged => untagged = true,
            TagRequirement::Prefixes(prefixes)
                if !prefix_sets.insert(prefixes.iter().collect::<BTreeSet<_>>()) =>
            {
                // [unknown] ECR's wording.
                return Err(closed(
                    "Only one rule can select the same tag prefixes per storage class.",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_members(object: &Map<String, Value>, required: &[&str], known: &[&str]) -> Result<(), Violation> {
    let missing = required
        .iter()
        .filter(|name| !object.contains_key(**name))
        .collect::<Vec<_>>();
    if !missing.is_empty() {
        return Err(closed(format!(
            "object has missing required properties ({})",
            printed(&missing)
        )));
    }
    let unknown = object
        .keys()
        .filter(|name| !known.contains(&name.as_str()))
        .collect::<BTreeSet<_>>();
    if !unknown.is_empty() {
        return Err(closed(format!(
            "object instance has properties which are not allowed by the schema: ({})",
            printed(&unknown)
        )));
    }
    Ok(())
}

fn object(value: Option<&Value>) -> Result<&Map<String, Value>, Violation> {
    match value {
        Some(Value::Object(object)) => Ok(object),
        value => Err(wrong_type(value.unwrap_or(&Value::Null), "object")),
    }
}

fn list(value: Option<&Value>) -> Result<&[Value], Violation> {
    match value {
        Some(Value::Array(list)) => Ok(list),
        value => Err(wrong_type(value.unwrap_or(&Value::Null), "array")),
    }
}

fn texts(value: Option<&Value>) -> Result<Option<Vec<String>>, Violation> {
    if value.is_none() {
        return Ok(None);
    }
    let elements = list(value)?;
    if elements.is_empty() {
        return Err(too_short());
    }
    let texts = elements.iter().map(|element| match element {
        Value::String(text) if text.is_empty() => Err(closed(
            "string \"\" is too short (length: 0, required minimum: 1)",
        )),
        Value::String(text) => Ok(text.clone()),
        other => Err(wrong_type(other, "string")),
    });
    texts.collect::<Result<_, _>>().map(Some)
}

fn choice<'a>(value: Option<&'a Value>, choices: &[&str]) -> Result<&'a str, Violation> {
    match value {
        Some(Value::String(text)) if choices.contains(&text.as_str()) => Ok(text),
        value => {
            let value = value.unwrap_or(&Value::Null);
            Err(closed(format!(
                "instance value ({value}) not found in enum (possible values: {})",
                printed(&choices)
            )))
        }
    }
}

fn number(value: Option<&Value>, minimum: i64) -> Result<i32, Violation> {
    let value = value.unwrap_or(&Value::Null);
    let Value::Number(number) = value else {
        return Err(wrong_type(value, "integer"));
    };
    match number.as_i64() {
        Some(number) if number < minimum => Err(below(minimum, number)),
        Some(number) => i32::try_from(number).map_err(|_| not_mapped()),
        None if number.is_f64() => Err(wrong_type(value, "integer")),
        None => Err(not_mapped()),
    }
}

fn below(minimum: i64, found: i64) -> Violation {
    format!("numeric instance is lower than the required minimum (minimum: {minimum}, found: {found})")
}

fn wrong_type(value: &Value, allowed: &str) -> Violation {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    closed(format!(
        "instance type ({found}) does not match any allowed primitive type (allowed: [\"{allowed}\"])"
    ))
}

fn too_short() -> Violation {
    closed("array is too short: must have at least 1 elements but instance has 0 elements")
}

pub(crate) fn not_mapped() -> Violation {
    closed("Could not map policyString into LifecyclePolicy.")
}

fn printed(names: &impl serde::Serialize) -> String {
    serde_json::to_string(names).unwrap_or_default()
}

fn closed(text: impl Into<String>) -> Violation {
    let mut text = text.into();
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(priority: i32, selection: &Value, action: &Value) -> Value {
        json!({ "rulePriority": priority, "selection": selection, "action": action })
    }

    fn expire() -> Value {
        json!({ "type": "expire" })
    }

    fn archive() -> Value {
        json!({ "type": "transition", "targetStorageClass": "archive" })
    }

    /// A selection of untagged images with these members set; `-` removes a member.
    fn with(members: &Value) -> Value {
        let mut selection = json!({
            "tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 7,
        });
        for (name, value) in members.as_object().unwrap() {
            if value == "-" {
                selection.as_object_mut().unwrap().remove(name);
            } else {
                selection[name] = value.clone();
            }
        }
        selection
    }

    #[track_caller]
    fn check(rules: &Value, expected: &str) {
        let text = json!({ "rules": rules }).to_string();
        let found = parse(&text).map_or_else(|violation| violation, |_| String::new());
        assert_eq!(found, expected, "{text}");
    }

    #[track_caller]
    fn check_selection(members: &Value, expected: &str) {
        check(&json!([rule(1, &with(members), &expire())]), expected);
    }

    #[test]
    fn what_is_no_policy_document_is_not_mapped() {
        for text in ["", "x", "[]", "\"rules\"", "{\"rules\":[}", &"[".repeat(200)] {
            assert_eq!(
                parse(text).unwrap_err(),
                "Could not map policyString into LifecyclePolicy.'",
                "{text}"
            );
        }
        let missing = "object has missing required properties ([\"rules\"])'";
        assert_eq!(parse("{}").unwrap_err(), missing);
        let unknown = "object instance has properties which are not allowed by the schema: ([\"a\",\"b\"])'";
        assert_eq!(parse(r#"{"b":1,"rules":[],"a":2}"#).unwrap_err(), unknown);
        let no_list =
            "instance type (object) does not match any allowed primitive type (allowed: [\"array\"])'";
        assert_eq!(parse(r#"{"rules":{}}"#).unwrap_err(), no_list);
    }

    #[test]
    fn a_rule_that_breaks_the_grammar_is_refused_in_the_words_of_its_validator() {
        check(
            &json!(["x"]),
            "instance type (string) does not match any allowed primitive type (allowed: [\"object\"])'",
        );
        check(
            &json!([{ "rulePriority": 1 }]),
            "object has missing required properties ([\"action\",\"selection\"])'",
        );
        check(
            &json!([rule(0, &with(&json!({})), &expire())]),
            "numeric instance is lower than the required minimum (minimum: 1, found: 0)",
        );
        check(
            &json!([rule(1, &with(&json!({})), &json!({ "type": "keep" }))]),
            "instance value (\"keep\") not found in enum (possible values: [\"expire\",\"transition\"])'",
        );
        let null_target = json!({ "type": "expire", "targetStorageClass": null });
        check(&json!([rule(1, &with(&json!({})), &null_target)]), NO_SCHEMA);
        check(
            &json!([rule(1, &with(&json!({})), &json!({ "type": "transition" }))]),
            NO_SCHEMA,
        );
        check(&json!([rule(1, &with(&json!({})), &archive())]), "");
    }

    #[test]
    fn a_selection_that_breaks_the_grammar_is_refused_in_the_words_of_its_validator() {
        check_selection(&json!({}), "");
        check_selection(&json!({ "countUnit": "hours" }), "");
        check_selection(
            &json!({ "tagStatus": "x" }),
            "instance value (\"x\") not found in enum (possible values: [\"any\",\"tagged\",\"untagged\"])'",
        );
        check_selection(
            &json!({ "color": 1 }),
            "object instance has properties which are not allowed by the schema: ([\"color\"])'",
        );
        check_selection(&json!({ "countType": "sinceImageBuilt" }), NO_SCHEMA);
        check_selection(&json!({ "countType": "imageCountMoreThan" }), NO_SCHEMA);
        check_selection(&json!({ "countUnit": null }), NO_SCHEMA);
        check_selection(&json!({ "countUnit": "-" }), NO_SCHEMA);
        check_selection(&json!({ "storageClass": "archive" }), NO_SCHEMA);
        check_selection(&json!({ "countType": "sinceImagePulled" }), NO_SCHEMA);
        check_selection(
            &json!({ "countNumber": 0 }),
            "numeric instance is lower than the required minimum (minimum: 1, found: 0)",
        );
        check_selection(
            &json!({ "countNumber": "7" }),
            "instance type (string) does not match any allowed primitive type (allowed: [\"integer\"])'",
        );
        check_selection(
            &json!({ "countNumber": 1.5 }),
            "instance type (number) does not match any allowed primitive type (allowed: [\"integer\"])'",
        );
        check_selection(
            &json!({ "countNumber": 3_000_000_000_u64 }),
            "Could not map policyString into LifecyclePolicy.'",
        );
    }

    #[test]
    fn archived_images_are_kept_for_ninety_days() {
        let since = |number: i32, unit: &str| {
            with(&json!({
                "storageClass": "archive", "countType": "sinceImageTransitioned",
                "countNumber": number, "countUnit": unit,
            }))
        };
        let below = |minimum: i32, found: i32| {
            format!(
                "numeric instance is lower than the required minimum (minimum: {minimum}, found: {found})"
            )
        };
        check(&json!([rule(1, &since(90, "days"), &expire())]), "");
        check(&json!([rule(1, &since(2160, "hours"), &expire())]), "");
        check(&json!([rule(1, &since(89, "days"), &expire())]), &below(90, 89));
        check(
            &json!([rule(1, &since(2159, "hours"), &expire())]),
            &below(2160, 2159),
        );
        check(&json!([rule(1, &since(90, "days"), &archive())]), NO_SCHEMA);
    }

    #[test]
    fn tag_lists_belong_to_tagged_images_and_only_one_is_given() {
        check_selection(
            &json!({ "tagStatus": "tagged" }),
            "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED.'",
        );
        check_selection(&json!({ "tagStatus": "tagged", "tagPrefixList": ["a"] }), "");
        check_selection(
            &json!({ "tagStatus": "tagged", "tagPatternList": ["*a*b*c*"] }),
            "",
        );
        check_selection(
            &json!({ "tagStatus": "tagged", "tagPatternList": ["*a*b*c*d*"] }),
            "A tag pattern can have at most 4 wildcards (*).'",
        );
        check_selection(
            &json!({ "tagStatus": "tagged", "tagPrefixList": ["a"], "tagPatternList": ["a"] }),
            "Must specify only one of tagPrefixList and tagPatternList.'",
        );
        check_selection(
            &json!({ "tagPrefixList": ["a"] }),
            "Can only specify tagPrefixList or tagPatternList when tagStatus=TAGGED.'",
        );
        check_selection(
            &json!({ "tagStatus": "tagged", "tagPrefixList": [] }),
            "array is too short: must have at least 1 elements but instance has 0 elements'",
        );
    }

    #[test]
    fn rules_that_cannot_stand_together_are_refused() {
        let any = with(&json!({ "tagStatus": "any" }));
        let untagged = with(&json!({}));
        let prefixed = |prefixes: Value| with(&json!({ "tagStatus": "tagged", "tagPrefixList": prefixes }));
        let archived = with(&json!({
            "tagStatus": "any", "storageClass": "archive", "countType": "sinceImageTransitioned", "countNumber": 90,
        }));
        check(
            &json!([rule(1, &any, &expire()), rule(2, &untagged, &expire())]),
            "Rule for tagStatus=ANY must have the lowest priority per storage class'",
        );
        check(
            &json!([
                rule(3, &any, &expire()),
                rule(1, &archived, &expire()),
                rule(2, &untagged, &expire())
            ]),
            "",
        );
        check(
            &json!([rule(1, &untagged, &expire()), rule(2, &untagged, &archive())]),
            "Only one rule can select Untagged images per storage class.'",
        );
        check(
            &json!([rule(1, &untagged, &expire()), rule(1, &any, &expire())]),
            "Rules must have unique priorities, but 1 is used twice.'",
        );
        check(
            &json!([
                rule(1, &prefixed(json!(["a", "b"])), &expire()),
                rule(2, &prefixed(json!(["b", "a"])), &expire()),
            ]),
            "Only one rule can select the same tag prefixes per storage class.'",
        );
        check(
            &json!([
                rule(1, &prefixed(json!(["a", "b"])), &expire()),
                rule(2, &prefixed(json!(["a"])), &expire()),
            ]),
            "",
        );
        let many = |count: i32| -> Value {
            (1..=count)
                .map(|n| rule(n, &prefixed(json!([format!("p{n}")])), &expire()))
                .collect()
        };
        check(&many(50), "");
        check(
            &many(51),
            "array is too long: must have at most 50 elements but instance has 51 elements'",
        );
    }

    #[test]
    fn a_policy_is_printed_without_white_space_and_in_the_order_of_ecr() {
        let text = r#"{ "rules": [
            {"action": {"targetStorageClass": "archive", "type": "transition"}, "selection": {"countNumber": 30,
             "countUnit": "days", "countType": "sinceImagePulled", "tagPatternList": ["v*", "rel*"], "storageClass": "standard",
             "tagStatus": "tagged"}, "description": "pulled \u00e9", "rulePriority": 2},
            {"rulePriority": 1, "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3},
             "action": {"type": "expire"}} ] }"#;
        let printed = parse(&text.replace("\"any\"", "\"untagged\""))
            .unwrap()
            .minified();
        insta::assert_snapshot!(printed, @r#"{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"imageCountMoreThan","countNumber":3},"action":{"type":"expire"}},{"rulePriority":2,"description":"pulled é","selection":{"tagStatus":"tagged","tagPatternList":["v*","rel*"],"storageClass":"standard","countType":"sinceImagePulled","countUnit":"days","countNumber":30},"action":{"type":"transition","targetStorageClass":"archive"}}]}"#);
        assert_eq!(parse(&printed).unwrap().minified(), printed);
    }
}
