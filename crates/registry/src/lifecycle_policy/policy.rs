//! A lifecycle policy as values, and its printed form, in which ECR returns it.

use serde::Serialize;

pub(crate) const RULES_MAX: usize = 50;
pub(crate) const WILDCARDS_MAX: usize = 4;
/// Archived images are billed for at least this long, so no rule may expire them earlier.
pub(crate) const ARCHIVED_DAYS_MIN: i64 = 90;

const HOUR_MILLISECONDS: i64 = 60 * 60 * 1000;
const DAY_MILLISECONDS: i64 = 24 * HOUR_MILLISECONDS;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    /// In the order of their priorities, which are unique.
    pub(crate) rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) priority: i32,
    pub(crate) description: Option<String>,
    pub(crate) tags: TagRequirement,
    pub(crate) class: StorageClass,
    /// Whether the document names the class, which is optional for images in standard storage.
    pub(crate) names_class: bool,
    pub(crate) limit: Limit,
    pub(crate) action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TagRequirement {
    Any,
    Untagged,
    /// Each must be the beginning of a tag of the image.
    Prefixes(Vec<String>),
    /// Each must match a tag of the image; `*` matches any run of characters.
    Patterns(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum StorageClass {
    Standard,
    Archive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The newest images up to this number are kept.
    Count(i32),
    /// Images older than this are not kept.
    Age { since: Since, number: i32, unit: Unit },
}

/// The time from which an age counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    Pushed,
    Pulled,
    Transitioned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Days,
    /// An extension: ECR counts in days only.
    Hours,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Expire,
    Archive,
}

impl Unit {
    pub(crate) fn milliseconds(self) -> i64 {
        match self {
            Self::Days => DAY_MILLISECONDS,
            Self::Hours => HOUR_MILLISECONDS,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Days => "days",
            Self::Hours => "hours",
        }
    }
}

impl StorageClass {
    fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Archive => "archive",
        }
    }
}

impl Limit {
    pub(crate) fn count_type(self) -> &'static str {
        match self {
            Self::Count(_) => "imageCountMoreThan",
            Self::Age { since, .. } => match since {
                Since::Pushed => "sinceImagePushed",
                Since::Pulled => "sinceImagePulled",
                Since::Transitioned => "sinceImageTransitioned",
            },
        }
    }
}

impl Policy {
    /// Without white space, and with the members in ECR's order.
    pub(crate) fn minified(&self) -> String {
        let document = Document {
            rules: self.rules.iter().map(PrintedRule::from).collect(),
        };
        serde_json::to_string(&document).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Document<'a> {
    rules: Vec<PrintedRule<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PrintedRule<'a> {
    rule_priority: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    selection: PrintedSelection<'a>,
    action: PrintedAction,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PrintedSelection<'a> {
    tag_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag_prefix_list: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag_pattern_list: Option<&'a [String]>,
    // [unknown] where ECR prints it; here at its position in the grammar.
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_class: Option<&'static str>,
    count_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    count_unit: Option<&'static str>,
    count_number: i32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PrintedAction {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_storage_class: Option<&'static str>,
}

impl<'a> From<&'a Rule> for PrintedRule<'a> {
    fn from(rule: &'a Rule) -> Self {
        Self {
            rule_priority: rule.priority,
            description: rule.description.as_deref(),
            selection: PrintedSelection::from(rule),
            action: match rule.action {
                Action::Expire => PrintedAction {
                    r#type: "expire",
                    target_storage_class: None,
                },
                Action::Archive => PrintedAction {
                    r#type: "transition",
                    target_storage_class: Some("archive"),
                },
            },
        }
    }
}

impl<'a> From<&'a Rule> for PrintedSelection<'a> {
    fn from(rule: &'a Rule) -> Self {
        let (tag_status, prefixes, patterns) = match &rule.tags {
            TagRequirement::Any => ("any", None, None),
            TagRequirement::Untagged => ("untagged", None, None),
            TagRequirement::Prefixes(prefixes) => ("tagged", Some(prefixes.as_slice()), None),
            TagRequirement::Patterns(patterns) => ("tagged", None, Some(patterns.as_slice())),
        };
        let (count_unit, count_number) = match rule.limit {
            Limit::Count(number) => (None, number),
            Limit::Age { number, unit, .. } => (Some(unit.as_str()), number),
        };
        Self {
            tag_status,
            tag_prefix_list: prefixes,
            tag_pattern_list: patterns,
            storage_class: rule.names_class.then(|| rule.class.as_str()),
            count_type: rule.limit.count_type(),
            count_unit,
            count_number,
        }
    }
}
