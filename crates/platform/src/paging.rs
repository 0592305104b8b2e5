//! Pages by key, of N rows or 4 MiB: a `nextToken` holds the last key of its page and a MAC over the list that it belongs to.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ecru_model::Scope;
use ecru_store::{Snapshot, Store, StoreError, Value};

use crate::mac::{Keys, Purpose, TAG_BYTES};

const VERSION: u8 = 1;

/// Why a list cannot be read as the request asks. Each service has its own codes for these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PagingError {
    #[error("the token was not issued for this list")]
    NotOurs,
    #[error("The requested items exceed {NAMED_BYTES_MAX} bytes. Request fewer items.")]
    TooMuchNamed,
}

/// The page size if `maxResults` is absent.
pub const PAGE_DEFAULT: u32 = 100;

/// A page ends before the row that would exceed this size. It always holds its first row, however large.
pub const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A request that names what it wants has no second page: beyond this size it fails.
pub const NAMED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A list that needs more than this is read on the blocking pool.
const IN_PLACE_BYTES_MAX: usize = 1024 * 1024;
/// The cost of a row beside its texts: the names of its members, and its place in memory.
pub const ROW_BYTES: usize = 256;
/// A filter that few rows pass yields a short page with a token, so that one request does not scan all rows.
const ROWS_EXAMINED_PER_ROW: usize = 10;

/// A page of a list: `next` is the key after which the next page begins, and is absent on the last page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, K> {
    pub items: Vec<T>,
    pub next: Option<K>,
}

/// Where a page begins and its maximum length.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// The id that ended the previous page; zero at the beginning.
    pub after: i64,
    pub limit: u32,
}

impl Extent {
    /// One row more than the page holds shows whether another page follows.
    pub fn values(self) -> [Value<'static>; 2] {
        [
            Value::Integer(self.after),
            Value::Integer(i64::from(self.limit) + 1),
        ]
    }
}

/// The rows and bytes that one answer may hold. Every list takes what it reads from one allowance, on one
/// task.
#[derive(Debug)]
pub struct Room {
    rows: usize,
    page_bytes_max: usize,
    named_bytes_max: usize,
    taken: AtomicUsize,
    /// If this is used up, a second read with more room follows, so even its first row must fit.
    is_trial: bool,
    is_exceeded: AtomicBool,
}

impl Room {
    pub fn new(rows: u32) -> Self {
        Self {
            rows: rows as usize,
            page_bytes_max: PAGE_BYTES_MAX,
            named_bytes_max: NAMED_BYTES_MAX,
            taken: AtomicUsize::new(0),
            is_trial: false,
            is_exceeded: AtomicBool::new(false),
        }
    }

    fn in_place(rows: u32) -> Self {
        Self {
            page_bytes_max: IN_PLACE_BYTES_MAX,
            named_bytes_max: IN_PLACE_BYTES_MAX,
            is_trial: true,
            ..Self::new(rows)
        }
    }

    /// Reads at most one row more than the page holds; the extra row shows whether another page follows.
    pub fn rows(&self) -> u32 {
        u32::try_from(self.rows).unwrap_or(u32::MAX)
    }

    /// Whether these bytes fit into the page. The first row always fits.
    pub fn take(&self, bytes: usize) -> bool {
        let is_first = self.taken.load(Ordering::Relaxed) == 0 && !self.is_trial;
        self.hold(bytes, self.page_bytes_max) || is_first
    }

    /// As `take`, for a thing that the request names.
    pub fn take_named(&self, bytes: usize) -> Result<(), PagingError> {
        if self.hold(bytes, self.named_bytes_max) {
            return Ok(());
        }
        Err(PagingError::TooMuchNamed)
    }

    fn hold(&self, bytes: usize, bytes_max: usize) -> bool {
        let taken = self.taken.load(Ordering::Relaxed).saturating_add(bytes);
        self.taken.store(taken, Ordering::Relaxed);
        let fits = taken <= bytes_max;
        if !fits {
            self.is_exceeded.store(true, Ordering::Relaxed);
        }
        fits
    }
}

/// Reads a list in place while it is small, else reads it again on the blocking pool with the full room of an
/// answer.
pub async fn read<T, E, F>(store: &Store, rows: u32, work: F) -> Result<T, E>
where
    F: Fn(&Snapshot<'_>, &Room) -> Result<T, E> + Send + Sync + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    {
        let room = Room::in_place(rows);
        let found = store.read(|at| work(at, &room)).await;
        if !room.is_exceeded.load(Ordering::Relaxed) {
            return found;
        }
    }
    read_elsewhere(store, rows, work).await
}

/// Reads a list on the blocking pool from the start. For lists that only people and test helpers read, where
/// a serving thread saves nothing.
pub async fn read_elsewhere<T, E, F>(store: &Store, rows: u32, work: F) -> Result<T, E>
where
    F: FnOnce(&Snapshot<'_>, &Room) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    store.read_many(move |at| work(at, &Room::new(rows))).await
}

/// A page under construction: rows are added in the order of their keys.
pub struct Filling<'r, T, K> {
    room: &'r Room,
    items: Vec<T>,
    examined: usize,
    reached: Option<K>,
    more: bool,
}

impl<'r, T, K> Filling<'r, T, K> {
    pub fn new(room: &'r Room) -> Self {
        Self {
            room,
            items: Vec::new(),
            examined: 0,
            reached: None,
            more: false,
        }
    }

    /// Adds a row with `bytes` of text to the page, or ends the page before it. A row that the filter rejects
    /// is no item, but its bytes count, since they were read.
    pub fn put(
        &mut self,
        key: K,
        bytes: usize,
        item: impl FnOnce() -> Result<Option<T>, StoreError>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let rows = self.room.rows;
        let is_full = self.items.len() == rows || self.examined == rows.saturating_mul(ROWS_EXAMINED_PER_ROW);
        if is_full || !self.room.take(bytes.saturating_add(ROW_BYTES)) {
            self.more = true;
            return Ok(ControlFlow::Break(()));
        }
        self.items.extend(item()?);
        self.examined += 1;
        self.reached = Some(key);
        Ok(ControlFlow::Continue(()))
    }

    pub fn page(self) -> Page<T, K> {
        Page {
            next: self.reached.filter(|_| self.more),
            items: self.items,
        }
    }
}

impl<T> Filling<'_, T, ()> {
    /// Adds a row of a list without a filter; the last item supplies the key.
    pub fn push(&mut self, bytes: usize, item: T) -> ControlFlow<()> {
        // The closure reads nothing, so it cannot fail.
        self.put((), bytes, || Ok(Some(item)))
            .unwrap_or(ControlFlow::Break(()))
    }

    pub fn page_by<K>(self, key: impl FnOnce(&T) -> K) -> Page<T, K> {
        Page {
            next: self.items.last().filter(|_| self.more).map(key),
            items: self.items,
        }
    }
}

/// The list that a token belongs to. A token of another list or another filter is invalid here.
pub struct Listing<'a> {
    pub keys: &'a Keys,
    pub operation: &'static str,
    pub scope: &'a Scope,
    /// What the list is about, such as a repository or a key; empty for lists of an account.
    pub of: &'a str,
    pub filter: String,
}

impl Listing<'_> {
    pub fn token(&self, key: &[u8]) -> String {
        let tag = self.keys.sign(Purpose::NextToken, &self.parts(key));
        let mut bytes = Vec::with_capacity(1 + key.len() + TAG_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The key after which the page begins.
    pub fn key(&self, token: &str) -> Result<Vec<u8>, PagingError> {
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| PagingError::NotOurs)?;
        let (version, rest) = bytes.split_first().ok_or(PagingError::NotOurs)?;
        let split = rest.len().checked_sub(TAG_BYTES).ok_or(PagingError::NotOurs)?;
        let (key, tag) = rest.split_at(split);
        if *version != VERSION || !self.keys.verify(Purpose::NextToken, &self.parts(key), tag) {
            return Err(PagingError::NotOurs);
        }
        Ok(key.to_vec())
    }

    pub fn integer_key(&self, token: Option<&str>) -> Result<i64, PagingError> {
        let Some(token) = token else { return Ok(0) };
        let bytes = self.key(token)?.try_into().map_err(|_| PagingError::NotOurs)?;
        Ok(i64::from_be_bytes(bytes))
    }

    pub fn text_key(&self, token: Option<&str>) -> Result<String, PagingError> {
        let Some(token) = token else {
            return Ok(String::new());
        };
        String::from_utf8(self.key(token)?).map_err(|_| PagingError::NotOurs)
    }

    fn parts<'a>(&'a self, key: &'a [u8]) -> [&'a [u8]; 6] {
        [
            self.operation.as_bytes(),
            self.scope.registry_id.as_str().as_bytes(),
            self.scope.region.as_str().as_bytes(),
            self.of.as_bytes(),
            self.filter.as_bytes(),
            key,
        ]
    }
}

/// The page size of a request; the model has checked its range.
pub fn limit(max_results: Option<i32>) -> u32 {
    max_results
        .and_then(|given| u32::try_from(given).ok())
        .unwrap_or(PAGE_DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of these sizes beside `ROW_BYTES`. A filter rejects those with a negative size.
    #[track_caller]
    fn check(rows: u32, sizes: &[i64], items: usize, next: Option<usize>) {
        let room = Room::new(rows);
        let mut filling = Filling::new(&room);
        for (place, size) in sizes.iter().enumerate() {
            let bytes = usize::try_from(size.unsigned_abs()).unwrap() - ROW_BYTES;
            let put = filling.put(place, bytes, || Ok((*size > 0).then_some(place)));
            if put.unwrap().is_break() {
                break;
            }
        }
        let page = filling.page();
        assert_eq!(
            (page.items.len(), page.next),
            (items, next),
            "{rows} rows of {sizes:?}"
        );
    }

    const MAX: i64 = 4 * 1024 * 1024;

    #[test]
    fn a_page_ends_at_its_rows_or_at_four_mebibytes() {
        check(2, &[300, 300], 2, None);
        check(2, &[300, 300, 300], 2, Some(1));
        check(9, &[MAX / 2, MAX / 2], 2, None);
        check(9, &[MAX / 2, MAX / 2, 300], 2, Some(1));
        check(9, &[MAX / 2, MAX / 2 + 1, 300], 1, Some(0));
        check(0, &[300], 0, None);
    }

    #[test]
    fn the_first_row_of_a_page_is_there_however_large() {
        check(9, &[10 * MAX], 1, None);
        check(9, &[10 * MAX, 300], 1, Some(0));
        check(9, &[300, 10 * MAX], 1, Some(0));
    }

    #[test]
    fn rows_that_a_filter_leaves_out_are_read_and_so_end_a_page() {
        check(1, &[-300; 10], 0, None);
        check(1, &[-300; 11], 0, Some(9));
        check(9, &[-MAX, 300], 0, Some(0));
        check(9, &[-MAX / 2, 300, MAX / 2], 1, Some(1));
    }

    #[test]
    fn the_key_of_an_unfiltered_page_is_that_of_its_last_row() {
        let room = Room::new(2);
        let mut filling = Filling::new(&room);
        let ended = ["a", "b", "c"].map(|name| filling.push(name.len(), name).is_break());
        assert_eq!(ended, [false, false, true]);
        let page = filling.page_by(|name| (*name).to_owned());
        assert_eq!((page.items, page.next), (vec!["a", "b"], Some("b".to_owned())));
    }

    #[test]
    fn what_is_named_fails_beyond_its_own_bound() {
        let room = Room::new(1);
        assert!(room.take_named(NAMED_BYTES_MAX).is_ok());
        assert_eq!(room.take_named(1), Err(PagingError::TooMuchNamed));
    }

    #[tokio::test]
    async fn a_list_is_read_in_place_while_it_is_small_and_once_more_elsewhere_when_it_is_large() {
        let (platform, _directory) = crate::platform::tests::platform();
        for (bytes, is_in_place) in [
            (1000, true),
            (IN_PLACE_BYTES_MAX, true),
            (IN_PLACE_BYTES_MAX + 1, false),
        ] {
            let here = std::thread::current().id();
            let read = read(&platform.store, 1, move |_, room| {
                Ok::<_, StoreError>((room.take(bytes), std::thread::current().id()))
            });
            let (fits, thread) = read.await.unwrap();
            assert_eq!((fits, thread == here), (true, is_in_place), "{bytes} bytes");
        }
    }
}
