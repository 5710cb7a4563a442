-- Why: a login must outlive a restart, and must be possible to end. One row per login, kept until it
-- has expired.
--
-- revoked_reason has no CHECK, so that a new reason needs no rebuilt table.
CREATE TABLE sessions (
    id             BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    account_id     BLOB    NOT NULL REFERENCES accounts (id),
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    address        TEXT,
    user_agent     TEXT,
    revoked_at     INTEGER,
    revoked_reason TEXT,
    CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
) STRICT;

-- Disabling an account ends its live sessions.
CREATE INDEX sessions_live_by_account ON sessions (account_id) WHERE revoked_at IS NULL;
-- Pruning looks for the expired.
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
