//! The ecosystems of the packages in stored images, whether the images were scanned or not.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use ecru_model::Digest;
use ecru_store::{Report, Store};

use super::is_scannable;
use super::layers::{layer, run_blocking};
use crate::Error;
use crate::ports::image_scanner::{ImageScanner, ScanProblem};
use crate::stored_images::{self, Image};

const IMAGES_PER_PAGE: i64 = 200;
const PROBLEM: &str = "an image cannot be read, so that its ecosystems are unknown";

/// The ecosystems of the images so far. A later call examines only images stored since.
#[derive(Default)]
pub struct StoredEcosystems {
    names: BTreeSet<String>,
    /// The newest examined image: once it is gone, another image may get its id.
    last: Option<(i64, Digest, i64)>,
}

impl StoredEcosystems {
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Examines the images that are stored now. An image that cannot be read is skipped, with a line in the
    /// log and in the report.
    pub async fn look(
        &mut self,
        store: &Store,
        scanner: &Arc<dyn ImageScanner>,
        report: Option<&Report>,
    ) -> Result<(), Error> {
        self.forget_what_went(store).await?;
        let mut seen = HashSet::new();
        loop {
            let after = self.last.as_ref().map_or(0, |(id, ..)| *id);
            let page = store
                .read(|at| stored_images::stored_after(at, after, IMAGES_PER_PAGE).map_err(Error::from))
                .await?;
            if page.is_empty() {
                return Ok(());
            }
            for image in page {
                if let Err(problem) = self.image(store, scanner, (&image, &mut seen)).await {
                    let digest = image.digest;
                    tracing::warn!(%digest, problem = &problem as &dyn std::error::Error, PROBLEM);
                    if let Some(report) = report {
                        report.say(format!("{PROBLEM}: `{digest}`: {problem}")).await?;
                    }
                }
                self.last = Some(mark(&image));
            }
        }
    }

    async fn forget_what_went(&mut self, store: &Store) -> Result<(), Error> {
        let Some(last) = self.last else { return Ok(()) };
        let found = store
            .read(|at| stored_images::stored_after(at, last.0 - 1, 1).map_err(Error::from))
            .await?;
        if found.first().map(mark) != Some(last) {
            *self = Self::default();
        }
        Ok(())
    }

    async fn image(
        &mut self,
        store: &Store,
        scanner: &Arc<dyn ImageScanner>,
        (image, seen): (&Image, &mut HashSet<Digest>),
    ) -> Result<(), ScanProblem> {
        if !is_scannable(&image.media_type, image.artifact_media_type.as_deref()) {
            return Ok(());
        }
        let layers = store.read(|at| stored_images::layers_of(at, image)).await;
        let layers = layers.map_err(|error| ScanProblem::Scanner(Box::new(error)))?;
        let mut result = Ok(());
        for digest in layers {
            if seen.insert(digest) {
                let (scanner, layer) = (Arc::clone(scanner), layer(store, digest));
                match run_blocking(move || scanner.ecosystems(layer)).await {
                    Ok(names) => self.names.extend(names),
                    Err(problem) => result = result.and(Err(problem)),
                }
            }
        }
        result
    }
}

fn mark(image: &Image) -> (i64, Digest, i64) {
    (image.id, image.digest, image.pushed_at.as_millis())
}
