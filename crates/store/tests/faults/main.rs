//! The guarantees that hold when the disk or the database fails.

#[cfg(test)]
mod disk;
#[cfg(test)]
mod push;
#[cfg(test)]
mod stream;
