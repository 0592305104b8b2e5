//! `StartLifecyclePolicyPreview`: starts a preview of the given policy, else of the present one.

use ecru_model::{
    ErrorCode, LifecyclePolicyPreviewStatus as Status, LifecyclePolicyText,
    StartLifecyclePolicyPreviewInput as Input, StartLifecyclePolicyPreviewOutput as Output,
};
use ecru_store::stored;

use super::preview;
use super::preview::Preview;

use crate::lifecycle_policy::{accept_as_given, load};
use crate::records::repositories::Repository;
use crate::{Context, Error};

pub async fn start_lifecycle_policy_preview(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("StartLifecyclePolicyPreview", input.registry_id.as_ref());
    let name = input.repository_name;
    let accepted = input
        .lifecycle_policy_text
        .map(|text| accept_as_given(text.as_str()))
        .transpose();
    let given = match accepted {
        Ok(given) => given,
        Err(error) => return Err(access.refuse_after_lookup(&ctx.store, &name, error).await),
    };
    let given = given.map(|text| stored(LifecyclePolicyText::parse(text)));
    let given = given.transpose()?;
    let now = ctx.clock.now();

    ctx.store
        .write(move |tx| {
            let repository = access.repository(tx, &name)?;
            let text = match &given {
                Some(text) => text.clone(),
                None => load(tx, &repository)?.text()?,
            };
            let running = preview::find(tx, &repository)?;
            if running.is_some_and(|preview| preview.status == Status::InProgress) {
                return Err(in_progress(&repository));
            }
            preview::start(tx, &repository, &Preview::new(text.as_str(), now))?;

            Ok(output(repository, text))
        })
        .await
}

fn output(repository: Repository, text: LifecyclePolicyText) -> Output {
    Output {
        registry_id: Some(repository.scope.registry_id),
        repository_name: Some(repository.name),
        lifecycle_policy_text: Some(text),
        status: Some(Status::InProgress),
    }
}

fn in_progress(repository: &Repository) -> Error {
    // [unknown] ECR's wording.
    Error::new(
        ErrorCode::LifecyclePolicyPreviewInProgressException,
        format!(
            "A lifecycle policy preview is in progress for the repository with name '{}' in the registry with id '{}'",
            repository.name, repository.scope.registry_id
        ),
    )
}
