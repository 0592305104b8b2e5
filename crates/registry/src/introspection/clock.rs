//! Setting the clock that users see.

use ecru_model::Timestamp;

use crate::clock::{self, SetClock};
use crate::{Error, Service};

/// The clock stays within years of four digits, which every client can read.
const EARLIEST: i64 = 0;
const LATEST: i64 = 253_402_300_799_999;

/// Returns false and changes nothing if the clock would leave the years 1970 to 9999.
pub async fn set_clock(service: &Service, change: SetClock) -> Result<bool, Error> {
    // If two clients set the clock, the later commit must also be the later setting.
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
    service.store.write(move |tx| clock::save(tx, setting)).await?;
    service.clock.apply(setting);
    Ok(true)
}

/// Resets the clock to the machine's time.
pub async fn reset_clock(service: &Service) -> Result<(), Error> {
    let _turn = service.clock_turn.lock().await;
    service.store.write(clock::forget).await?;
    service.clock.reset();
    Ok(())
}
