//! `ecru verify`: reads everything again, with or without a server that runs on the data directory.

use super::{
    Outcome,
    data::DataArguments,
    output::{end, print},
};
use crate::maintenance::{Task, ask};

pub(super) fn run(arguments: &DataArguments) -> Outcome {
    end(ask(&arguments.directory()?, &Task::Verify, &mut print))
}
