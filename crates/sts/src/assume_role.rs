//! `AssumeRole`: issues temporary credentials of a role.

use ecru_model::identity::Identity;
use ecru_model::{Caller, SessionDetails};
use ecru_platform::principals::NewSession;

use crate::error::{invalid, refused};
use crate::generated::error_code::ErrorCode;
use crate::generated::shapes::{
    AssumeRoleInput as Input, AssumeRoleOutput as Output, SourceIdentityType,
    UnrestrictedSessionPolicyDocumentType,
};
use crate::role::AssumedRole;
use crate::session::{Token, issue};
use crate::{Context, Error, session_policy, session_tags};

const SECONDS_DEFAULT: i32 = 60 * 60;
/// The longest session that a session of a role can ask for.
const CHAINED_SECONDS_MAX: i32 = 60 * 60;

pub(crate) async fn assume_role(ctx: &Context, input: Input) -> Result<Output, Error> {
    let caller = ctx.caller()?;
    let role = AssumedRole::new(&input.role_arn, input.role_session_name.as_str())?;
    let seconds = duration(caller, input.duration_seconds)?;
    let policy = input
        .policy
        .as_ref()
        .map(UnrestrictedSessionPolicyDocumentType::as_str);
    let calling = caller.session.as_deref();
    let mut details = SessionDetails {
        source_identity: source_identity(
            caller,
            input.source_identity.as_ref().map(SourceIdentityType::as_str),
        )?,
        ..session_policy::accept(policy, input.policy_arns)?
    };
    session_tags::add(&mut details, input.tags, input.transitive_tag_keys, calling)?;
    let packed_policy_size = packed(&details)?;

    let assumed_role_user = role.user();
    let source_identity = details.source_identity.clone();
    let source_identity = source_identity.and_then(|text| SourceIdentityType::parse(text).ok());
    let new = NewSession {
        caller: role.caller,
        user_id: role.user_id,
        details,
        expires_at: ctx.expiration(seconds),
    };
    let Token { credentials, size } = issue(ctx, new, input.minimum_session_token_size).await?;
    Ok(Output {
        credentials: Some(credentials),
        assumed_role_user,
        packed_policy_size,
        source_identity,
        session_token_utilization: None,
        session_token_size: size,
    })
}

fn duration(caller: &Caller, given: Option<i32>) -> Result<i32, Error> {
    let seconds = given.unwrap_or(SECONDS_DEFAULT);
    let identity = Identity::parse(caller.name());
    let is_chained = caller.session.is_some() && identity.is_some_and(|it| it.kind == "assumed-role");
    if is_chained && seconds > CHAINED_SECONDS_MAX {
        return Err(invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    Ok(seconds)
}

/// A source identity stays the same through every further role.
fn source_identity(caller: &Caller, given: Option<&str>) -> Result<Option<String>, Error> {
    let held = caller.session.as_ref();
    let held = held.and_then(|session| session.details.source_identity.as_deref());
    match (held, given) {
        (Some(held), Some(given)) if held != given => Err(refused(
            ErrorCode::AccessDenied,
            format!("The source identity of the calling session is `{held}` and cannot be changed"),
        )),
        (held, given) => Ok(given.or(held).map(str::to_owned)),
    }
}

/// How much of the room for policies and tags the session takes.
pub(crate) fn packed(details: &SessionDetails) -> Result<Option<i32>, Error> {
    let mut texts = details.policy_arns.iter().map(String::as_str).collect::<Vec<_>>();
    texts.extend(details.policy.as_deref());
    texts.extend(
        details
            .tags
            .iter()
            .flat_map(|(key, value)| [key.as_str(), value.as_str()]),
    );
    session_policy::packed_percent(&texts)
}
