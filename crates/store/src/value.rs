//! Values of statements and rows, for every database.

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

/// Access to the columns of a backend's current row.
pub trait Columns {
    /// `None` if there is no such column, or if no `Value` can hold its content.
    fn column(&self, index: usize) -> Option<Value<'_>>;
}

/// The current row of a query. Columns are numbered from zero. A column of another kind than requested means
/// a damaged database.
pub struct Row<'r>(&'r dyn Columns);

impl<'r> Row<'r> {
    pub fn new(columns: &'r dyn Columns) -> Row<'r> {
        Row(columns)
    }

    pub fn integer(&self, index: usize) -> Result<i64, StoreError> {
        self.optional_integer(index)?.ok_or_else(|| mismatch(index))
    }

    pub fn text(&self, index: usize) -> Result<&str, StoreError> {
        self.optional_text(index)?.ok_or_else(|| mismatch(index))
    }

    pub fn blob(&self, index: usize) -> Result<&[u8], StoreError> {
        self.optional_blob(index)?.ok_or_else(|| mismatch(index))
    }

    pub fn boolean(&self, index: usize) -> Result<bool, StoreError> {
        Ok(self.integer(index)? != 0)
    }

    pub fn optional_integer(&self, index: usize) -> Result<Option<i64>, StoreError> {
        match self.0.column(index) {
            Some(Value::Integer(integer)) => Ok(Some(integer)),
            Some(Value::Null) => Ok(None),
            _ => Err(mismatch(index)),
        }
    }

    pub fn optional_text(&self, index: usize) -> Result<Option<&str>, StoreError> {
        match self.0.column(index) {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Null) => Ok(None),
            _ => Err(mismatch(index)),
        }
    }

    pub fn optional_blob(&self, index: usize) -> Result<Option<&[u8]>, StoreError> {
        match self.0.column(index) {
            Some(Value::Blob(blob)) => Ok(Some(blob)),
            Some(Value::Null) => Ok(None),
            _ => Err(mismatch(index)),
        }
    }
}

fn mismatch(index: usize) -> StoreError {
    StoreError::damaged(format!("column `{index}` of a row is of another kind"))
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
    fn a_column_reads_as_its_own_kind_only() {
        let columns = Fixed(vec![
            Value::Integer(7),
            Value::Text("seven"),
            Value::Null,
            Value::Blob(b"7"),
        ]);
        let row = Row::new(&columns);
        assert_eq!((row.integer(0).unwrap(), row.boolean(0).unwrap()), (7, true));
        assert_eq!(
            (row.text(1).unwrap(), row.blob(3).unwrap()),
            ("seven", b"7".as_slice())
        );
        assert_eq!(
            (row.optional_integer(0).unwrap(), row.optional_text(1).unwrap()),
            (Some(7), Some("seven"))
        );
        assert_eq!(
            (row.optional_text(2).unwrap(), row.optional_blob(2).unwrap()),
            (None, None)
        );

        let mismatches = [
            row.integer(1).err(),
            row.integer(2).err(),
            row.boolean(4).err(),
            row.text(0).err(),
            row.blob(1).err(),
            row.optional_integer(3).err(),
            row.optional_text(4).err(),
            row.optional_blob(0).err(),
        ];
        for mismatch in mismatches {
            assert!(matches!(mismatch, Some(StoreError::Damaged { .. })));
        }
    }
}
