//! The items of the bench, one file each.

mod growth;
mod growth_repositories;
mod json_reads;
mod lifecycle;
mod manifests;
mod memory;
mod pull;
mod push;
mod put_image;
mod small_blobs;
mod start;
mod uploads;
mod whole_images;

use anyhow::Result;

use crate::bench::Bench;

pub(crate) struct Item {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&mut Bench) -> Result<()>,
}

pub(crate) static ALL: [Item; 11] = [
    Item {
        name: "start",
        about: "from the spawn to the first answer: first start, no images, many images",
        run: start::run,
    },
    Item {
        name: "memory",
        about: "resident memory, idle and with many images",
        run: memory::run,
    },
    Item {
        name: "push",
        about: "one large blob in one PUT and in one PATCH, and its memory",
        run: push::run,
    },
    Item {
        name: "pull",
        about: "one large blob over 1 and 8 connections, and its memory",
        run: pull::run,
    },
    Item {
        name: "small-blobs",
        about: "blobs of 4 KiB over 16 connections",
        run: small_blobs::run,
    },
    Item {
        name: "manifests",
        about: "manifest GET and HEAD by tag over 32 connections",
        run: manifests::run,
    },
    Item {
        name: "images",
        about: "whole images of 10 layers, 4 at once, new and already stored",
        run: whole_images::run,
    },
    Item {
        name: "json-reads",
        about: "read operations of ECR, over 1 and 32 connections",
        run: json_reads::run,
    },
    Item {
        name: "put-image",
        about: "PutImage with layers that are already stored, over 1 and 32 connections",
        run: put_image::run,
    },
    Item {
        name: "growth",
        about: "PutImage, GET and pages beside 100 to 100,000 images, and creations and uploads beside as many repositories",
        run: growth::run,
    },
    Item {
        name: "lifecycle",
        about: "a policy over many images: evaluation, expiry, and pushes meanwhile",
        run: lifecycle::run,
    },
];
