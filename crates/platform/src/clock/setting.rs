//! The setting of the clock that users see, stored as a row so that it survives a restart.

use ecru_model::Timestamp;
use ecru_store::{Snapshot, StoreError, Tx, Value};

use super::Clock;

/// A change of the clock: the clock is frozen first, then advanced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetClock {
    pub frozen_at: Option<Timestamp>,
    pub advance_milliseconds: i64,
}

/// The setting of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) frozen_at: Option<Timestamp>,
    pub(crate) ahead: i64,
}

pub(crate) fn forget(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM clock", &[])?;
    Ok(())
}

/// Sets the clock as the previous process left it.
pub(crate) fn restore(clock: &Clock, at: &Snapshot<'_>) -> Result<(), StoreError> {
    if let Some(setting) = load(at)? {
        clock.apply(setting);
    }
    Ok(())
}

fn load(at: &Snapshot<'_>) -> Result<Option<Setting>, StoreError> {
    at.find("SELECT frozen_at, ahead FROM clock WHERE id = 1", &[], |row| {
        Ok(Setting {
            frozen_at: row.optional_integer(0)?.map(Timestamp::from_millis),
            ahead: row.integer(1)?,
        })
    })
}

pub(crate) fn save(tx: &Tx<'_>, setting: Setting) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO clock (id, frozen_at, ahead) VALUES (1, ?1, ?2)
         ON CONFLICT (id) DO UPDATE SET frozen_at = excluded.frozen_at, ahead = excluded.ahead",
        &[
            Value::from(setting.frozen_at.map(Timestamp::as_millis)),
            Value::Integer(setting.ahead),
        ],
    )?;
    Ok(())
}

impl Setting {
    pub(crate) fn changed(self, change: SetClock) -> Self {
        let base = match change.frozen_at {
            Some(at) => Self {
                frozen_at: Some(at),
                ahead: 0,
            },
            None => self,
        };
        Self {
            ahead: base.ahead.saturating_add(change.advance_milliseconds),
            ..base
        }
    }
}

impl Clock {
    pub(crate) fn setting(&self) -> Setting {
        Setting {
            frozen_at: self.frozen_at(),
            ahead: self.ahead_milliseconds(),
        }
    }

    pub(crate) fn apply(&self, setting: Setting) {
        match setting.frozen_at {
            Some(at) => self.freeze(at),
            None => self.reset(),
        }
        self.advance(setting.ahead);
    }
}
