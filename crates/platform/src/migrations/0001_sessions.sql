-- Temporary credentials: the identity that an access key belongs to until its session expires.
CREATE TABLE sessions (
    access_key_id {text} PRIMARY KEY,
    account {text} NOT NULL,
    arn {text} NOT NULL,
    user_id {text} NOT NULL,
    -- By the clock that users see.
    expires_at {int} NOT NULL,
    -- JSON: the session's policies, tags and source identity.
    details {text} NOT NULL
) {strict};
CREATE INDEX sessions_by_account ON sessions (account);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
