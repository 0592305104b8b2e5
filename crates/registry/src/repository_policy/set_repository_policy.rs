//! `SetRepositoryPolicy`: checks a policy and puts it in the place of the one that stands.

use ecru_model::{
    RepositoryPolicyText, SetRepositoryPolicyInput as Input, SetRepositoryPolicyOutput as Output,
};

use super::{document, save};
use crate::context::Wanted;
use crate::{Context, Error, repositories};

pub async fn set_repository_policy(ctx: &Context, input: Input) -> Result<Output, Error> {
    let wanted = Wanted::on("SetRepositoryPolicy", &input.repository_name);
    let scope = ctx.registry(input.registry_id.as_ref(), wanted)?;
    let name = input.repository_name;
    let policy = document::normalize(input.policy_text.as_str());

    ctx.store
        .write(move |tx| {
            let repository = repositories::load(tx, &scope, &name)?;
            let text = policy.as_deref().ok_or_else(invalid_policy)?;
            save(tx, &repository, Some(text))?;

            Ok(Output {
                policy_text: Some(RepositoryPolicyText::parse(text).map_err(|_| invalid_policy())?),
                registry_id: Some(repository.scope.registry_id),
                repository_name: Some(repository.name),
            })
        })
        .await
}

fn invalid_policy() -> Error {
    Error::parameter("PolicyText", "Invalid repository policy provided")
}
