-- Why: a login must outlive a restart, and must be possible to end. One row per login, kept until it
-- has expired.
--
-- revoked_reason has no CHECK: a newer version may write a new word while an older one still runs.
CREATE TABLE sessions (
    id             uuid   PRIMARY KEY,
    account_id     uuid   NOT NULL CONSTRAINT sessions_account_id_fkey REFERENCES accounts (id),
    created_at     bigint NOT NULL,
    expires_at     bigint NOT NULL,
    address        text,
    user_agent     text,
    revoked_at     bigint,
    revoked_reason text,
    CONSTRAINT sessions_revoked_check CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
);

-- Disabling an account ends its live sessions.
CREATE INDEX sessions_live_by_account ON sessions (account_id) WHERE revoked_at IS NULL;
-- Pruning looks for the expired.
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
