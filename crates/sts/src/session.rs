//! Issuing a session, and its credentials as an answer holds them.

use ecru_model::Timestamp;
use ecru_platform::principals::{NewSession, issue_session};

use crate::generated::shapes::Credentials;
use crate::{Context, Error};

/// The credentials of a session, and the size of its token where the request asked for a least size.
pub(crate) struct Token {
    pub(crate) credentials: Credentials,
    pub(crate) size: Option<i32>,
}

pub(crate) async fn issue(ctx: &Context, new: NewSession, size_min: Option<i32>) -> Result<Token, Error> {
    let expiration = new.expires_at;
    let issued = issue_session::<Error>(ctx, new).await?;
    let mut session_token = issued.session_token;
    // The end of a token is not read, so it can be as long as a client wants to test with.
    let missing = size_min.and_then(|size| usize::try_from(size).ok());
    let missing = missing.unwrap_or(0).saturating_sub(session_token.len());
    session_token.extend(std::iter::repeat_n('=', missing));
    let size = size_min.and(i32::try_from(session_token.len()).ok());
    Ok(Token {
        credentials: Credentials {
            access_key_id: issued.access_key_id,
            secret_access_key: issued.secret_access_key,
            session_token,
            expiration,
        },
        size,
    })
}

impl Context {
    /// The end of a session that begins now, in whole seconds as answers print it.
    pub(crate) fn expiration(&self, seconds: i32) -> Timestamp {
        let now = self.clock.now().as_millis() / 1_000 * 1_000;
        Timestamp::from_millis(now.saturating_add(i64::from(seconds) * 1_000))
    }
}
