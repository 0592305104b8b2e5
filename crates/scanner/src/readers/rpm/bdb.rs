//! `Packages`: a hash table of Berkeley DB. Its values are headers, most of them on separate chains of pages.

use super::pages::{Numbers as _, Pages};
use super::{Visit, damaged};
use crate::readers::ReadError;

const MAGIC: u32 = 0x0006_1561;
const FILE_HEADER_BYTES: usize = 72;
const PAGE_HEADER_BYTES: usize = 26;
const HASH_UNSORTED: u8 = 2;
const HASH: u8 = 13;
const OVERFLOW: u8 = 7;
/// A value in the page itself, and a value elsewhere.
const KEY_DATA: u8 = 1;
const OFF_PAGE: u8 = 3;

struct Database<'p> {
    pages: &'p Pages<'p>,
    page_bytes: usize,
}

pub(super) fn for_each_header(pages: &Pages<'_>, visit: &mut Visit<'_>) -> Result<(), ReadError> {
    let header = pages.read(0, FILE_HEADER_BYTES)?;
    let page_bytes = usize::try_from(header.le_u32(20)?).unwrap_or_default();
    let encrypted = header.get(24).is_none_or(|algorithm| *algorithm != 0);
    if header.le_u32(12)? != MAGIC || encrypted || !page_bytes.is_power_of_two() {
        return Err(damaged());
    }
    if !(512..=65_536).contains(&page_bytes) {
        return Err(damaged());
    }
    let count = pages.size() / page_bytes as u64;
    let database = Database { pages, page_bytes };
    let last = u64::from(header.le_u32(32)?).min(count.saturating_sub(1));
    for number in 1..=u32::try_from(last).unwrap_or(u32::MAX) {
        let page = database.page(number)?;
        if matches!(page.get(25), Some(&(HASH_UNSORTED | HASH))) {
            database.read_page(&page, visit)?;
        }
    }
    Ok(())
}

impl Database<'_> {
    fn page(&self, number: u32) -> Result<Vec<u8>, ReadError> {
        self.pages
            .read(u64::from(number) * self.page_bytes as u64, self.page_bytes)
    }

    /// Keys and values alternate. Each is found by its offset in the page, which is filled from its end.
    fn read_page(&self, page: &[u8], visit: &mut Visit<'_>) -> Result<(), ReadError> {
        let entries = usize::from(page.le_u16(20)?);
        let place = |entry: usize| page.le_u16(PAGE_HEADER_BYTES + 2 * entry).map(usize::from);
        for entry in (1..entries).step_by(2) {
            let (start, end) = (place(entry)?, place(entry - 1)?);
            let item = page.get(start..end).ok_or_else(damaged)?;
            match item.split_first() {
                Some((&OFF_PAGE, _)) => visit(&self.chain(item.le_u32(4)?, item.le_u32(8)?)?)?,
                Some((&KEY_DATA, value)) => {
                    self.pages.count(value.len())?;
                    visit(value)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn chain(&self, first: u32, length: u32) -> Result<Vec<u8>, ReadError> {
        let length = self.pages.header_bytes(length.into())?;
        let mut value = Vec::new();
        let mut next = first;
        while value.len() < length {
            let page = self.page(next)?;
            if page.get(25) != Some(&OVERFLOW) {
                return Err(damaged());
            }
            next = page.le_u32(16)?;
            let end = PAGE_HEADER_BYTES + usize::from(page.le_u16(22)?);
            let part = page.get(PAGE_HEADER_BYTES..end).filter(|part| !part.is_empty());
            value.extend_from_slice(part.ok_or_else(damaged)?);
        }
        value.truncate(length);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::tests::header;
    use super::super::read_bdb;
    use super::*;
    use crate::readers::packages;

    const PAGE: usize = 512;

    fn page(kind: u8, next: u32, entries: u16, free: u16) -> Vec<u8> {
        let mut page = vec![0; PAGE];
        page[16..20].copy_from_slice(&next.to_le_bytes());
        page[20..22].copy_from_slice(&entries.to_le_bytes());
        page[22..24].copy_from_slice(&free.to_le_bytes());
        page[25] = kind;
        page
    }

    #[test]
    fn a_header_on_a_chain_of_pages_is_read() {
        let mut bytes = header("bash", None, "4.2.46", "34.el7", "bash-4.2.46-34.el7.src.rpm");
        bytes.resize(700, 0);
        let mut meta = page(8, 0, 0, 0);
        meta[12..16].copy_from_slice(&MAGIC.to_le_bytes());
        meta[20..24].copy_from_slice(&u32::try_from(PAGE).unwrap().to_le_bytes());
        meta[32..36].copy_from_slice(&3_u32.to_le_bytes());

        let mut hash = page(HASH, 0, 2, 0);
        let (key, value) = (PAGE - 5, PAGE - 17);
        for (entry, place) in [(0, key), (1, value)] {
            let at = PAGE_HEADER_BYTES + 2 * entry;
            hash[at..at + 2].copy_from_slice(&u16::try_from(place).unwrap().to_le_bytes());
        }
        hash[value] = OFF_PAGE;
        hash[value + 4..value + 8].copy_from_slice(&2_u32.to_le_bytes());
        hash[value + 8..value + 12].copy_from_slice(&700_u32.to_le_bytes());

        let (first, rest) = bytes.split_at(PAGE - PAGE_HEADER_BYTES);
        let mut chain = Vec::new();
        for (part, next) in [(first, 3), (rest, 0)] {
            let mut overflow = page(OVERFLOW, next, 1, u16::try_from(part.len()).unwrap());
            overflow[PAGE_HEADER_BYTES..PAGE_HEADER_BYTES + part.len()].copy_from_slice(part);
            chain.extend(overflow);
        }

        let database = [meta, hash, chain].concat();
        let found = packages(read_bdb, &database).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name(), found[0].version()), ("bash", "4.2.46-34.el7"));

        for place in 0..database.len() {
            let mut damaged = database.clone();
            damaged[place] ^= 0xff;
            let _ = packages(read_bdb, &damaged);
        }
    }
}
