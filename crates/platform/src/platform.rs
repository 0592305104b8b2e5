//! What all services of the process share.

use std::sync::Arc;

use ecru_model::{RegistryId, Timestamp};
use ecru_store::{Migrations, Options, Snapshot, Store, StoreError};

use crate::bindings::Bindings;
use crate::clock::{self, SetClock};
use crate::mac::Keys;
use crate::{BodyBudget, Clock, Random};

/// One per process.
pub struct Platform {
    pub store: Store,
    pub clock: Clock,
    pub random: Random,
    pub keys: Keys,
    /// The account of callers that name none.
    pub default_account: RegistryId,
    /// Shared by all request bodies that are held whole.
    pub bodies: BodyBudget,
    pub bindings: Bindings,
    /// Held while the clock is set.
    pub(crate) clock_turn: tokio::sync::Mutex<()>,
}

/// How a platform opens.
pub struct Opening {
    pub store: Options,
    /// The tables of the services.
    pub migrations: Vec<Migrations>,
    pub clock: Clock,
    pub random: Random,
    pub default_account: RegistryId,
}

/// The tables of the platform itself.
const MIGRATIONS: Migrations = Migrations {
    owner: "platform",
    steps: &[(1, include_str!("migrations/0001_sessions.sql"))],
};

/// The clock stays within years of four digits, which every client can read.
const EARLIEST: i64 = 0;
const LATEST: i64 = 253_402_300_799_999;

impl Platform {
    /// Opens the data directory and reads what the services need first. Blocks meanwhile.
    pub fn open<T>(
        opening: Opening,
        read: impl FnOnce(&Snapshot<'_>) -> Result<T, StoreError>,
    ) -> Result<(Arc<Self>, T), StoreError> {
        let Opening {
            store,
            mut migrations,
            clock,
            random,
            default_account,
        } = opening;
        migrations.insert(0, MIGRATIONS);
        let (store, (keys, bindings, read)) = Store::open_and_read(&store, &migrations, |at| {
            clock::restore(&clock, at)?;
            Ok((Keys::load(at)?, Bindings::load(at)?, read(at)?))
        })?;
        let platform = Self {
            store,
            clock,
            random,
            keys,
            default_account,
            bodies: BodyBudget::default(),
            bindings,
            clock_turn: tokio::sync::Mutex::default(),
        };
        Ok((Arc::new(platform), read))
    }

    /// Returns false and changes nothing if the clock would leave the years 1970 to 9999.
    pub async fn set_clock(&self, change: SetClock) -> Result<bool, StoreError> {
        // If two clients set the clock, the later commit must also be the later setting.
        let _turn = self.clock_turn.lock().await;
        let machine_now = self.clock.machine_milliseconds();
        let setting = self.clock.setting().changed(change);
        let becomes = setting
            .frozen_at
            .map_or(machine_now, Timestamp::as_millis)
            .saturating_add(setting.ahead);
        if !(EARLIEST..=LATEST).contains(&becomes) {
            return Ok(false);
        }
        self.store.write(move |tx| clock::save(tx, setting)).await?;
        self.clock.apply(setting);
        Ok(true)
    }

    /// Resets the clock to the machine's time.
    pub async fn reset_clock(&self) -> Result<(), StoreError> {
        let _turn = self.clock_turn.lock().await;
        self.store.write(clock::forget).await?;
        self.clock.reset();
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;

    pub(crate) fn platform_on(directory: &Path, clock: Clock) -> Arc<Platform> {
        let opening = Opening {
            store: Options {
                directory: directory.to_owned(),
                ephemeral: true,
            },
            migrations: Vec::new(),
            clock,
            random: Random::default(),
            default_account: RegistryId::parse("000000000000").unwrap(),
        };
        let (platform, ()) = Platform::open(opening, |_| Ok(())).unwrap();
        platform
    }

    pub(crate) fn platform() -> (Arc<Platform>, TempDir) {
        let directory = TempDir::new().unwrap();
        (platform_on(directory.path(), Clock::default()), directory)
    }
}
