//! `Packages.db`: slots with the offset of each header, in blocks of 16 bytes.

use super::pages::{Numbers as _, Pages};
use super::{Visit, damaged};
use crate::readers::ReadError;

const MAGIC: u32 = u32::from_le_bytes(*b"RpmP");
const SLOT_MAGIC: u32 = u32::from_le_bytes(*b"Slot");
const BLOB_MAGIC: u32 = u32::from_le_bytes(*b"BlbS");
const VERSION: u32 = 0;
const SLOT_BYTES: usize = 16;
const FILE_HEADER_BYTES: usize = 32;
const SLOT_PAGE_BYTES: usize = 4096;
const SLOT_PAGES_MAX: u32 = 2048;
const BLOCK_BYTES: u64 = 16;
const BLOB_HEADER_BYTES: usize = 16;

pub(super) fn for_each_header(pages: &Pages<'_>, visit: &mut Visit<'_>) -> Result<(), ReadError> {
    let header = pages.read(0, FILE_HEADER_BYTES)?;
    let slot_pages = header.le_u32(12)?;
    if header.le_u32(0)? != MAGIC || header.le_u32(4)? != VERSION || slot_pages > SLOT_PAGES_MAX {
        return Err(damaged());
    }
    for slot_page in 0..u64::from(slot_pages) {
        let page = pages.read(slot_page * SLOT_PAGE_BYTES as u64, SLOT_PAGE_BYTES)?;
        let first = if slot_page == 0 { FILE_HEADER_BYTES } else { 0 };
        let (slots, _) = page.get(first..).unwrap_or_default().as_chunks::<SLOT_BYTES>();
        for slot in slots {
            if slot.le_u32(0)? != SLOT_MAGIC {
                return Err(damaged());
            }
            let (package, block) = (slot.le_u32(4)?, slot.le_u32(8)?);
            if package != 0 && block != 0 {
                visit(&blob(pages, package, block)?)?;
            }
        }
    }
    Ok(())
}

fn blob(pages: &Pages<'_>, package: u32, block: u32) -> Result<Vec<u8>, ReadError> {
    let offset = u64::from(block) * BLOCK_BYTES;
    let header = pages.read(offset, BLOB_HEADER_BYTES)?;
    if header.le_u32(0)? != BLOB_MAGIC || header.le_u32(4)? != package {
        return Err(damaged());
    }
    let length = pages.header_bytes(header.le_u32(12)?.into())?;
    pages.read(offset + BLOB_HEADER_BYTES as u64, length)
}

#[cfg(test)]
mod tests {
    use super::super::header::tests::header;
    use super::super::read_ndb;
    use super::*;
    use crate::readers::packages;

    #[test]
    fn the_packages_of_all_slots_are_read() {
        let header = header("zypper", None, "1.14.68", "1.1", "zypper-1.14.68-1.1.src.rpm");
        let mut database = [MAGIC, VERSION, 7, 1, 2, 0, 0, 0]
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect::<Vec<u8>>();
        let block = u32::try_from(SLOT_PAGE_BYTES / 16).unwrap();
        let slots =
            std::iter::once([SLOT_MAGIC, 1, block, 9]).chain(std::iter::repeat_n([SLOT_MAGIC, 0, 0, 0], 253));
        database.extend(slots.flatten().flat_map(u32::to_le_bytes));
        assert_eq!(database.len(), SLOT_PAGE_BYTES);
        let length = u32::try_from(header.len()).unwrap();
        database.extend(
            [BLOB_MAGIC, 1, 7, length]
                .iter()
                .flat_map(|number| number.to_le_bytes()),
        );
        database.extend_from_slice(&header);

        let found = packages(read_ndb, &database).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].version(), "1.14.68-1.1");
        for length in 0..database.len() {
            assert!(
                packages(read_ndb, &database[..length]).is_err(),
                "cut at {length}"
            );
        }
    }
}
