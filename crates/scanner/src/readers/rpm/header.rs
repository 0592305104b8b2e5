//! The header of an installed package: an index of tags, then their values.

use super::pages::Numbers as _;
use crate::package::{Facts, Manager, NAME_BYTES_MAX, Package};

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const ARCHITECTURE: u32 = 1022;
const SOURCE_RPM: u32 = 1044;

const ENTRY_BYTES: usize = 16;
const PREAMBLE_BYTES: usize = 8;
const ENTRIES_MAX: usize = 1 << 16;
/// Longer than any permitted text of a package: the name of its source is followed by a version.
const TEXT_BYTES_MAX: usize = 2 * NAME_BYTES_MAX;
/// The keys that sign packages are stored as packages too.
const PUBLIC_KEY: &str = "gpg-pubkey";

/// Returns `None` if the bytes are not the header of a package.
pub(super) fn package(header: &[u8]) -> Option<Package> {
    let header = Header::parse(header)?;
    let name = header.text(NAME).filter(|name| *name != PUBLIC_KEY)?;
    let (version, release) = (header.text(VERSION)?, header.text(RELEASE)?);
    let version = match header.number(EPOCH) {
        Some(epoch) if epoch > 0 => format!("{epoch}:{version}-{release}"),
        _ => format!("{version}-{release}"),
    };
    let facts = Facts {
        name,
        version: &version,
        source_name: header.text(SOURCE_RPM).and_then(source_name),
        source_version: None,
        architecture: header.text(ARCHITECTURE),
    };
    Package::new(Manager::Rpm, &facts)
}

/// The name in `name-version-release.src.rpm`.
fn source_name(file: &str) -> Option<&str> {
    let mut parts = file.strip_suffix(".src.rpm")?.rsplitn(3, '-');
    let (_release, _version, name) = (parts.next()?, parts.next()?, parts.next()?);
    Some(name)
}

struct Header<'a> {
    index: &'a [u8],
    values: &'a [u8],
}

impl<'a> Header<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let entries = usize::try_from(bytes.be_u32(0).ok()?).ok()?;
        if entries > ENTRIES_MAX {
            return None;
        }
        let (index, values) = bytes
            .get(PREAMBLE_BYTES..)?
            .split_at_checked(entries * ENTRY_BYTES)?;
        Some(Self { index, values })
    }

    /// The bytes from the beginning of a tag's value.
    fn value(&self, tag: u32) -> Option<&'a [u8]> {
        let (entries, _) = self.index.as_chunks::<ENTRY_BYTES>();
        let entry = entries.iter().find(|entry| entry.be_u32(0).ok() == Some(tag))?;
        self.values.get(usize::try_from(entry.be_u32(8).ok()?).ok()?..)
    }

    fn text(&self, tag: u32) -> Option<&'a str> {
        let value = self.value(tag)?;
        // The end of a text in a header may be megabytes away or missing.
        let value = value.get(..TEXT_BYTES_MAX).unwrap_or(value);
        std::str::from_utf8(value.split(|byte| *byte == 0).next()?).ok()
    }

    fn number(&self, tag: u32) -> Option<u32> {
        self.value(tag)?.be_u32(0).ok()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A header as rpm writes it, without the tags that this crate does not read.
    pub(in crate::readers::rpm) fn header(
        name: &str,
        epoch: Option<u32>,
        version: &str,
        release: &str,
        source: &str,
    ) -> Vec<u8> {
        let mut index = Vec::new();
        let mut values = Vec::new();
        let mut add = |tag: u32, kind: u32, value: &[u8]| {
            let offset = u32::try_from(values.len()).unwrap();
            index.extend(
                [tag, kind, offset, 1]
                    .iter()
                    .flat_map(|number| number.to_be_bytes()),
            );
            values.extend_from_slice(value);
        };
        if let Some(epoch) = epoch {
            add(EPOCH, 4, &epoch.to_be_bytes());
        }
        for (tag, text) in [
            (NAME, name),
            (VERSION, version),
            (RELEASE, release),
            (SOURCE_RPM, source),
        ] {
            add(tag, 6, format!("{text}\0").as_bytes());
        }
        add(ARCHITECTURE, 6, b"x86_64\0");
        let lengths = [index.len() / ENTRY_BYTES, values.len()];
        let preamble = lengths
            .iter()
            .flat_map(|length| u32::try_from(*length).unwrap().to_be_bytes());
        preamble
            .chain(index.iter().copied())
            .chain(values.iter().copied())
            .collect()
    }

    #[test]
    fn a_header_gives_its_package() {
        let bytes = header(
            "openssl-libs",
            Some(1),
            "3.0.7",
            "16.el9",
            "openssl-3.0.7-16.el9.src.rpm",
        );
        let package = package(&bytes).unwrap();
        assert_eq!(
            (package.name(), package.version()),
            ("openssl-libs", "1:3.0.7-16.el9")
        );
        assert_eq!(package.source_name(), Some("openssl"));
        assert_eq!(package.architecture(), Some("x86_64"));
    }

    #[test]
    fn a_header_cut_anywhere_gives_no_other_package() {
        let bytes = header("bash", None, "5.1.8", "6.el9", "bash-5.1.8-6.el9.src.rpm");
        let whole = package(&bytes).unwrap();
        for length in 0..bytes.len() {
            if let Some(cut) = package(&bytes[..length]) {
                assert!(whole.name().starts_with(cut.name()) && whole.version().starts_with(cut.version()));
            }
        }
        assert_eq!(package(&header("gpg-pubkey", None, "1", "1", "")), None);
    }
}
