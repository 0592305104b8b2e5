//! Setting the clock that users see, so that it stays set over a restart.

use ecru_model::Timestamp;
use ecru_store::{Snapshot, StoreError, Tx, Value};

use super::Clock;
use crate::{Error, Service};

/// Times of four digits of a year, which every client can read.
const EARLIEST: i64 = 0;
const LATEST: i64 = 253_402_300_799_999;

/// A change of the clock: it is frozen first, then advanced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetClock {
    pub frozen_at: Option<Timestamp>,
    pub advance_milliseconds: i64,
}

/// How the clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Setting {
    frozen_at: Option<Timestamp>,
    ahead: i64,
}

/// Gives false, and changes nothing, where the clock would leave the years 1970 to 9999.
pub async fn set_clock(service: &Service, change: SetClock) -> Result<bool, Error> {
    // Of two who set the clock, the later commit must be the later setting, too.
    let _turn = service.clock_turn.lock().await;
    let machine_now = service.clock.machine_milliseconds();
    let setting = service.clock.setting().changed(change);
    let becomes = setting
        .frozen_at
        .map_or(machine_now, Timestamp::as_millis)
        .saturating_add(setting.ahead);
    if !(EARLIEST..=LATEST).contains(&becomes) {
        return Ok(false);
    }
    service.store.write(move |tx| save(tx, setting)).await?;
    service.clock.apply(setting);
    Ok(true)
}

/// Lets the clock run with the machine's again.
pub async fn reset_clock(service: &Service) -> Result<(), Error> {
    let _turn = service.clock_turn.lock().await;
    service.store.write(forget).await?;
    service.clock.reset();
    Ok(())
}

pub(crate) fn forget(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM clock", &[])?;
    Ok(())
}

/// Sets the clock as it was when the process before this one ended.
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

fn save(tx: &Tx<'_>, setting: Setting) -> Result<(), StoreError> {
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
    fn changed(self, change: SetClock) -> Self {
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
    fn setting(&self) -> Setting {
        Setting {
            frozen_at: self.frozen_at(),
            ahead: self.ahead_milliseconds(),
        }
    }

    fn apply(&self, setting: Setting) {
        match setting.frozen_at {
            Some(at) => self.freeze(at),
            None => self.reset(),
        }
        self.advance(setting.ahead);
    }
}
