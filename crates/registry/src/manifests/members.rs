//! Refuses manifests that two clients would read differently, by the names of their members.
//!
//! Go's JSON reader ignores case and keeps the last of several equal members; other readers compare names
//! exactly. So this refuses a known name in another case, and a name that belongs to another kind of
//! manifest.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Kind;

/// The expected form of a value.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Free,
    Object(&'static [Member]),
    /// A list of objects with these members.
    List(&'static [Member]),
    /// Names of any kind, each with a text.
    Annotations,
}

type Member = (&'static str, Shape);

const PLATFORM: &[Member] = &[
    ("architecture", Shape::Free),
    ("os", Shape::Free),
    ("os.version", Shape::Free),
    ("os.features", Shape::Free),
    ("variant", Shape::Free),
    ("features", Shape::Free),
];

const DESCRIPTOR: &[Member] = &[
    ("mediaType", Shape::Free),
    ("digest", Shape::Free),
    ("size", Shape::Free),
    ("urls", Shape::Free),
    ("annotations", Shape::Annotations),
    ("data", Shape::Free),
    ("artifactType", Shape::Free),
    ("platform", Shape::Object(PLATFORM)),
];

const IMAGE: &[Member] = &[
    ("schemaVersion", Shape::Free),
    ("mediaType", Shape::Free),
    ("artifactType", Shape::Free),
    ("config", Shape::Object(DESCRIPTOR)),
    ("layers", Shape::List(DESCRIPTOR)),
    ("subject", Shape::Object(DESCRIPTOR)),
    ("annotations", Shape::Annotations),
];

const INDEX: &[Member] = &[
    ("schemaVersion", Shape::Free),
    ("mediaType", Shape::Free),
    ("artifactType", Shape::Free),
    ("manifests", Shape::List(DESCRIPTOR)),
    ("subject", Shape::Object(DESCRIPTOR)),
    ("annotations", Shape::Annotations),
];

const ARTIFACT: &[Member] = &[
    ("schemaVersion", Shape::Free),
    ("mediaType", Shape::Free),
    ("artifactType", Shape::Free),
    ("blobs", Shape::List(DESCRIPTOR)),
    ("subject", Shape::Object(DESCRIPTOR)),
    ("annotations", Shape::Annotations),
];

const SCHEMA_1: &[Member] = &[
    ("schemaVersion", Shape::Free),
    ("mediaType", Shape::Free),
    ("name", Shape::Free),
    ("tag", Shape::Free),
    ("architecture", Shape::Free),
    ("fsLayers", Shape::List(&[("blobSum", Shape::Free)])),
    ("history", Shape::List(&[("v1Compatibility", Shape::Free)])),
    (
        "signatures",
        Shape::List(&[
            ("header", Shape::Free),
            ("signature", Shape::Free),
            ("protected", Shape::Free),
        ]),
    ),
];

/// Members that only some kinds have, and that other kinds must not have. The name, tag and architecture of
/// schema 1 only describe it, so other kinds may use these names.
const DECISIVE: &[&str] = &[
    "artifactType",
    "config",
    "layers",
    "manifests",
    "blobs",
    "fsLayers",
    "history",
    "signatures",
    "subject",
    "annotations",
];

pub(crate) fn check(text: &str, kind: Kind) -> serde_json::Result<()> {
    let members = match kind {
        Kind::Schema1 => SCHEMA_1,
        Kind::Image => IMAGE,
        Kind::Index => INDEX,
        Kind::Artifact => ARTIFACT,
    };
    let document = Walk {
        shape: Shape::Object(members),
        foreign: DECISIVE,
    };
    document.deserialize(&mut serde_json::Deserializer::from_str(text))
}

#[derive(Clone, Copy)]
struct Walk {
    shape: Shape,
    /// Names that are refused unless they are among the members, or their value is null.
    foreign: &'static [&'static str],
}

impl Walk {
    fn of(shape: Shape) -> Self {
        Self { shape, foreign: &[] }
    }
}

impl<'de> DeserializeSeed<'de> for Walk {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.shape {
            Shape::Free => deserializer.deserialize_ignored_any(IgnoredAny).map(drop),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.shape {
            Shape::Annotations => "annotations",
            _ => "a member of a manifest",
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        match self.shape {
            Shape::Object(members) => walk_object(map, members, self.foreign),
            Shape::Annotations => walk_annotations(map),
            Shape::Free | Shape::List(_) => Err(A::Error::custom("an object instead of a list")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Shape::List(members) = self.shape else {
            return Err(A::Error::custom("a list instead of an object"));
        };
        while list
            .next_element_seed(Walk::of(Shape::Object(members)))?
            .is_some()
        {}
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

fn walk_object<'de, A: MapAccess<'de>>(
    mut map: A,
    members: &'static [Member],
    foreign: &[&str],
) -> Result<(), A::Error> {
    let mut seen = Vec::<&str>::new();
    while let Some(name) = map.next_key::<String>()? {
        let known = members.iter().find(|(known, _)| folds_to(&name, known));
        let other = foreign.iter().find(|other| folds_to(&name, other));
        match (known, other) {
            (Some((known, shape)), _) if *known == name => {
                if seen.contains(known) {
                    return Err(A::Error::custom(format_args!("`{known}` is given twice")));
                }
                seen.push(*known);
                map.next_value_seed(Walk::of(*shape))?;
            }
            (Some((known, _)), _) => {
                return Err(A::Error::custom(format_args!(
                    "`{known}` is written in another case"
                )));
            }
            (None, Some(other)) => {
                let is_null = *other == name && map.next_value::<Option<IgnoredAny>>()?.is_none();
                if !is_null {
                    return Err(A::Error::custom(format_args!(
                        "`{other}` belongs to another kind of manifest"
                    )));
                }
            }
            (None, None) => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    Ok(())
}

/// Keeps names as hashes under a random key that no sender has, because a manifest may have several hundred
/// thousand names.
fn walk_annotations<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    let key = RandomState::new();
    let mut seen = Vec::new();
    while let Some((name, _)) = map.next_entry::<String, String>()? {
        seen.push(key.hash_one(name));
    }
    seen.sort_unstable();
    if seen.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(A::Error::custom("an annotation is given twice"));
    }
    Ok(())
}

/// Whether Go treats both names as equal: it ignores the case of ASCII letters, and knows two more letters
/// whose lower case is one of them.
fn folds_to(name: &str, known: &str) -> bool {
    let fold = |character: char| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    name.chars().map(fold).eq(known.chars().map(fold))
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = r#"{"mediaType":"a/b","digest":"sha256:00","size":1}"#;

    #[track_caller]
    fn check(kind: Kind, document: &str, accepted: bool) {
        let document = document.replace("$D", D);
        let checked = super::check(&document, kind);
        assert_eq!(checked.is_ok(), accepted, "{document} gave {checked:?}");
    }

    #[test]
    fn a_known_member_in_another_case_is_refused_at_every_depth() {
        for document in [
            r#"{"Layers":[]}"#,
            r#"{"layers":[],"Layers":null}"#,
            r#"{"layer\u017f":[]}"#,
            r#"{"layers":[{"Digest":"x"}]}"#,
            r#"{"layers":[{"digest":"x","DIGEST":"x"}]}"#,
            r#"{"config":{"Size":1}}"#,
            r#"{"subject":{"mediatype":"x"}}"#,
            r#"{"config":{"platform":{"OS":"linux"}}}"#,
            r#"{"config":{"platform":{"o\u017f.version":"1"}}}"#,
            r#"{"Annotations":{}}"#,
        ] {
            check(Kind::Image, document, false);
        }
        check(Kind::Index, r#"{"manifests":[{"Platform":{}}]}"#, false);
        check(Kind::Artifact, r#"{"Blobs":[]}"#, false);
        check(Kind::Schema1, r#"{"fslayers":[]}"#, false);
        check(Kind::Schema1, r#"{"fsLayers":[{"blobsum":"x"}]}"#, false);
        check(Kind::Schema1, r#"{"Architecture":"x"}"#, false);
        // The Kelvin sign folds to `k`, but no known name contains a `k`, so no document can show it.
        assert!(folds_to("\u{212a}", "k") && !folds_to("\u{130}", "i"));
    }

    #[test]
    fn a_member_of_another_kind_is_refused_unless_it_is_null() {
        for (kind, members) in [
            (
                Kind::Image,
                &["manifests", "blobs", "fsLayers", "history", "signatures"][..],
            ),
            (Kind::Index, &["config", "layers", "blobs", "fsLayers"]),
            (Kind::Artifact, &["config", "layers", "manifests", "fsLayers"]),
            (
                Kind::Schema1,
                &["config", "layers", "manifests", "blobs", "subject", "annotations"],
            ),
        ] {
            for member in members {
                check(kind, &format!(r#"{{"{member}":[]}}"#), false);
                check(kind, &format!(r#"{{"{member}":{{}}}}"#), false);
                check(kind, &format!(r#"{{"{member}":null}}"#), true);
                let upper = member.to_uppercase();
                check(kind, &format!(r#"{{"{upper}":null}}"#), false);
            }
        }
    }

    #[test]
    fn members_that_nobody_knows_stay_free() {
        for document in [
            r#"{"org.example":{"Layers":[],"layers":1},"x":1,"x":2}"#,
            r#"{"name":"demo","tag":{},"architecture":1}"#,
            r#"{"layers":[{"mediaType":"a","x":{"Size":1},"platform":{"custom":[]}}]}"#,
            r#"{"layers":[$D,$D],"config":$D,"annotations":{"Layers":"x","layers":"y"}}"#,
        ] {
            check(Kind::Image, document, true);
        }
    }

    #[test]
    fn a_null_is_as_no_member() {
        let nulls = r#"{"layers":null,"subject":null,"annotations":null,"artifactType":null,
            "config":{"urls":null,"annotations":null,"platform":null,"data":null}}"#;
        check(Kind::Image, nulls, true);
        check(Kind::Image, r#"{"layers":[],"layers":null}"#, false);
    }

    #[test]
    fn annotations_are_texts_at_every_depth() {
        for annotations in [
            r#"{"a":1}"#,
            r#"{"a":null}"#,
            r#"{"a":{}}"#,
            r#"{"a":"1","a":"2"}"#,
            "[]",
        ] {
            for (kind, document) in [
                (Kind::Image, r#"{"annotations":$A}"#),
                (Kind::Image, r#"{"config":{"annotations":$A}}"#),
                (Kind::Image, r#"{"layers":[{"annotations":$A}]}"#),
                (Kind::Image, r#"{"subject":{"annotations":$A}}"#),
                (Kind::Index, r#"{"manifests":[{"annotations":$A}]}"#),
                (Kind::Artifact, r#"{"blobs":[{"annotations":$A}]}"#),
            ] {
                check(kind, &document.replace("$A", annotations), false);
                check(kind, &document.replace("$A", r#"{"a":"1","A":"1"}"#), true);
            }
        }
    }
}
