//! The distribution of an image, and the names of its ecosystems.

use serde::{Deserialize, Serialize};

/// Longer than any value of a distribution.
const VALUE_BYTES_MAX: usize = 256;

/// The content of `os-release`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Release {
    pub(crate) id: String,
    pub(crate) version_id: String,
    pub(crate) name: String,
    pub(crate) pretty_name: String,
}

impl Release {
    pub(crate) fn parse(text: &str) -> Self {
        let mut release = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.trim().split_once('=') else {
                continue;
            };
            let value = value.trim().trim_matches(['"', '\'']);
            if value.len() > VALUE_BYTES_MAX {
                continue;
            }
            let value = value.to_owned();
            match key.trim() {
                "ID" => release.id = value.to_ascii_lowercase(),
                "VERSION_ID" => release.version_id = value,
                "NAME" => release.name = value,
                "PRETTY_NAME" => release.pretty_name = value,
                _ => {}
            }
        }
        release
    }

    /// The memory that its texts take.
    pub(crate) fn kept_bytes(&self) -> u64 {
        let texts = [&self.id, &self.version_id, &self.name, &self.pretty_name];
        texts.iter().map(|text| text.len() as u64).sum()
    }

    /// The ecosystem of its packages, in the terms of the OSV schema. A distribution that the schema does not
    /// list has its own name.
    pub(crate) fn ecosystem(&self) -> String {
        let version = self.version_id.as_str();
        let major = || version.split('.').next().unwrap_or_default();
        let minor = || {
            let mut parts = version.splitn(3, '.');
            match (parts.next(), parts.next()) {
                (Some(major), Some(minor)) => format!("{major}.{minor}"),
                _ => version.to_owned(),
            }
        };
        match self.id.as_str() {
            "debian" => format!("Debian:{}", major()),
            "ubuntu" => format!("Ubuntu:{version}"),
            "alpine" if self.is_rolling() => "Alpine:edge".to_owned(),
            "alpine" => format!("Alpine:v{}", minor()),
            "almalinux" => format!("AlmaLinux:{}", major()),
            "rocky" => format!("Rocky Linux:{}", major()),
            "rhel" => format!("Red Hat:enterprise_linux:{}", major()),
            "azurelinux" => format!("Azure Linux:{}", major()),
            "mageia" => format!("Mageia:{}", major()),
            "photon" => format!("Photon OS:{}", minor()),
            "opensuse-leap" => format!("openSUSE:Leap {version}"),
            "opensuse-tumbleweed" => "openSUSE:Tumbleweed".to_owned(),
            "sles" => format!("SUSE:Linux Enterprise Server {}", version.replacen('.', " SP", 1)),
            "wolfi" => "Wolfi".to_owned(),
            "chainguard" => "Chainguard".to_owned(),
            "amzn" => format!("Amazon Linux:{version}"),
            "fedora" => format!("Fedora:{version}"),
            _ if version.is_empty() => self.name.clone(),
            _ => format!("{}:{version}", self.name),
        }
    }

    fn is_rolling(&self) -> bool {
        self.version_id.contains("alpha") || self.version_id.is_empty() || self.pretty_name.contains("edge")
    }
}

/// Removes what distinguishes variants of one ecosystem: Ubuntu appends `LTS` to the version, and Red Hat appends the
/// repository.
pub(crate) fn canonical_ecosystem(ecosystem: &str) -> String {
    if let Some(rest) = ecosystem.strip_prefix("Ubuntu:")
        && let Some(version) = rest.strip_suffix(":LTS")
        && !version.contains(':')
    {
        return format!("Ubuntu:{version}");
    }
    if ecosystem.starts_with("Red Hat:enterprise_linux:") {
        let mut parts = ecosystem.split(':');
        let parts = [parts.next(), parts.next(), parts.next()];
        return parts.into_iter().flatten().collect::<Vec<_>>().join(":");
    }
    ecosystem.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_distribution_has_the_ecosystem_of_its_release() {
        let cases = [
            ("ID=debian\nVERSION_ID=\"12\"\n", "Debian:12"),
            ("ID=ubuntu\nVERSION_ID=\"22.04\"\n", "Ubuntu:22.04"),
            ("ID=alpine\nVERSION_ID=3.19.1\n", "Alpine:v3.19"),
            (
                "ID=alpine\nVERSION_ID=3.21.0_alpha20240807\nPRETTY_NAME=\"Alpine Linux edge\"\n",
                "Alpine:edge",
            ),
            ("ID=\"rhel\"\nVERSION_ID=\"9.4\"\n", "Red Hat:enterprise_linux:9"),
            ("ID=\"rocky\"\nVERSION_ID=\"9.3\"\n", "Rocky Linux:9"),
            (
                "ID=\"sles\"\nVERSION_ID=\"15.5\"\n",
                "SUSE:Linux Enterprise Server 15 SP5",
            ),
            ("ID=wolfi\nVERSION_ID=20230201\n", "Wolfi"),
            (
                "ID='other'\nNAME='Other Linux'\nVERSION_ID=7\n# a note\n",
                "Other Linux:7",
            ),
        ];
        for (text, ecosystem) in cases {
            assert_eq!(Release::parse(text).ecosystem(), ecosystem);
        }
    }

    #[test]
    fn variants_of_an_ecosystem_are_kept_under_one_name() {
        let cases = [
            ("Ubuntu:22.04:LTS", "Ubuntu:22.04"),
            ("Ubuntu:Pro:18.04:LTS", "Ubuntu:Pro:18.04:LTS"),
            (
                "Red Hat:enterprise_linux:9::appstream",
                "Red Hat:enterprise_linux:9",
            ),
            ("Debian:12", "Debian:12"),
        ];
        for (given, kept) in cases {
            assert_eq!(canonical_ecosystem(given), kept);
        }
    }
}
