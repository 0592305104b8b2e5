//! Values that go into a statement and rows that come out of it, whatever the database.

use std::cell::Cell;

use crate::StoreError;

/// A parameter of a statement, or a column of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Null,
    Integer(i64),
    Text(&'a str),
    Blob(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(integer: i64) -> Self {
        Value::Integer(integer)
    }
}

impl From<bool> for Value<'_> {
    fn from(boolean: bool) -> Self {
        Value::Integer(i64::from(boolean))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(blob: &'a [u8]) -> Self {
        Value::Blob(blob)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(blob: &'a [u8; N]) -> Self {
        Value::Blob(blob)
    }
}

impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(blob: &'a Vec<u8>) -> Self {
        Value::Blob(blob)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(option: Option<T>) -> Self {
        option.map_or(Value::Null, Into::into)
    }
}

/// Where a backend keeps the columns of the row it stands on.
pub trait Columns {
    /// `None` when there is no such column, or when it holds what no `Value` can.
    fn column(&self, index: usize) -> Option<Value<'_>>;
}

/// The row that a query stands on. Columns are numbered from zero.
///
/// A column of another kind than asked for means a damaged database. It reads as zero or empty, and the
/// query fails once the visitor has returned, so that visitors need not check each column.
pub struct Row<'r> {
    columns: &'r dyn Columns,
    mismatch: Cell<Option<usize>>,
}

impl<'r> Row<'r> {
    pub fn new(columns: &'r dyn Columns) -> Row<'r> {
        Row {
            columns,
            mismatch: Cell::new(None),
        }
    }

    pub fn integer(&self, index: usize) -> i64 {
        self.required(index, self.optional_integer(index))
    }

    pub fn text(&self, index: usize) -> &str {
        self.required(index, self.optional_text(index))
    }

    pub fn blob(&self, index: usize) -> &[u8] {
        self.required(index, self.optional_blob(index))
    }

    pub fn boolean(&self, index: usize) -> bool {
        self.integer(index) != 0
    }

    pub fn optional_integer(&self, index: usize) -> Option<i64> {
        match self.columns.column(index) {
            Some(Value::Integer(integer)) => Some(integer),
            other => self.absent(index, other),
        }
    }

    pub fn optional_text(&self, index: usize) -> Option<&str> {
        match self.columns.column(index) {
            Some(Value::Text(text)) => Some(text),
            other => self.absent(index, other),
        }
    }

    pub fn optional_blob(&self, index: usize) -> Option<&[u8]> {
        match self.columns.column(index) {
            Some(Value::Blob(blob)) => Some(blob),
            other => self.absent(index, other),
        }
    }

    /// Fails if a column was not of the kind it was read as.
    pub fn check(&self) -> Result<(), StoreError> {
        match self.mismatch.get() {
            None => Ok(()),
            Some(index) => Err(StoreError::damaged(format!(
                "column `{index}` of a row is of another kind"
            ))),
        }
    }

    fn required<T: Default>(&self, index: usize, value: Option<T>) -> T {
        value.unwrap_or_else(|| {
            self.mismatch.set(Some(index));
            T::default()
        })
    }

    fn absent<T>(&self, index: usize, value: Option<Value<'_>>) -> Option<T> {
        if value != Some(Value::Null) {
            self.mismatch.set(Some(index));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Vec<Value<'static>>);

    impl Columns for Fixed {
        fn column(&self, index: usize) -> Option<Value<'_>> {
            self.0.get(index).copied()
        }
    }

    #[test]
    fn a_column_of_another_kind_fails_the_row() {
        let columns = Fixed(vec![
            Value::Integer(7),
            Value::Text("seven"),
            Value::Null,
            Value::Blob(b"7"),
        ]);

        let row = Row::new(&columns);
        assert_eq!(
            (row.integer(0), row.text(1), row.optional_text(2)),
            (7, "seven", None)
        );
        assert_eq!((row.blob(3), row.boolean(0)), (b"7".as_slice(), true));
        assert!(row.check().is_ok());

        let reads: [fn(&Row<'_>); 4] = [
            |row| assert_eq!(row.integer(2), 0),
            |row| assert_eq!(row.text(0), ""),
            |row| assert_eq!(row.optional_blob(1), None),
            |row| assert_eq!(row.optional_integer(4), None),
        ];
        for read in reads {
            let row = Row::new(&columns);
            read(&row);
            assert!(matches!(row.check(), Err(StoreError::Damaged { .. })));
        }
    }
}
