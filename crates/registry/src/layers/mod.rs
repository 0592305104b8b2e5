//! The operations on layers, of both wires.

mod batch_check_layer_availability;
mod complete_layer_upload;
mod get_download_url_for_layer;
mod initiate_layer_upload;
mod upload_layer_part;

pub use crate::stored_layers::{
    Chunk, append_to_upload, begin_upload, cancel_upload, delete_blob, find_blob, finish_upload, mount_blob,
    open_blob, put_blob, upload_offset,
};
pub use batch_check_layer_availability::batch_check_layer_availability;
pub use complete_layer_upload::complete_layer_upload;
pub use get_download_url_for_layer::get_download_url_for_layer;
pub use initiate_layer_upload::initiate_layer_upload;
pub use upload_layer_part::upload_layer_part;
