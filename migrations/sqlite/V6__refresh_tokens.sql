-- Why: an access token lives minutes, a session weeks; a refresh token carries the one through the other. It is
-- kept as its SHA-256 only, and every one of a session's past is kept as long as the session, so that the use of
-- an old one is noticed.
--
-- rotated_by is the fingerprint of the client that got the successor. successor_nonce is what the successor is
-- computed with, together with the text of the token, which is not here; it is erased when nobody may be told
-- the successor again. forget_at is the end of the session. No foreign key to sessions: the two are pruned
-- independently.
--
-- audit_events is what must be found months later, also when sessions and accounts are gone: no foreign keys.
-- kind has no CHECK: a new kind needs no rebuilt table.
CREATE TABLE refresh_tokens (
    hash            BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    session_id      BLOB    NOT NULL CHECK (length(session_id) = 16),
    issued_at       INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    forget_at       INTEGER NOT NULL,
    rotated_at      INTEGER,
    rotated_by      BLOB    CHECK (length(rotated_by) = 32),
    successor_nonce BLOB    CHECK (length(successor_nonce) = 32),
    CHECK ((rotated_at IS NULL) = (rotated_by IS NULL)),
    CHECK (successor_nonce IS NULL OR rotated_at IS NOT NULL)
) STRICT;

-- A family has one live token. One connection writes at a time; this is the second lock.
CREATE UNIQUE INDEX refresh_tokens_live_by_session ON refresh_tokens (session_id) WHERE rotated_at IS NULL;
-- A rotation erases what its predecessors left.
CREATE INDEX refresh_tokens_erasable_by_session ON refresh_tokens (session_id) WHERE successor_nonce IS NOT NULL;
-- Pruning looks for those whose session is over.
CREATE INDEX refresh_tokens_by_end ON refresh_tokens (forget_at);

CREATE TABLE audit_events (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    at         INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    account_id BLOB    NOT NULL CHECK (length(account_id) = 16),
    session_id BLOB    CHECK (length(session_id) = 16),
    address    TEXT,
    user_agent TEXT
) STRICT;

-- Pruning looks for the old.
CREATE INDEX audit_events_by_time ON audit_events (at);
