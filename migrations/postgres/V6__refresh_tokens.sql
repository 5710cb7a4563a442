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
-- kind has no CHECK: a newer version may write a new word while an older one still runs.
CREATE TABLE refresh_tokens (
    hash            bytea  PRIMARY KEY CONSTRAINT refresh_tokens_hash_check CHECK (length(hash) = 32),
    session_id      uuid   NOT NULL,
    issued_at       bigint NOT NULL,
    expires_at      bigint NOT NULL,
    forget_at       bigint NOT NULL,
    rotated_at      bigint,
    rotated_by      bytea  CONSTRAINT refresh_tokens_rotated_by_check CHECK (length(rotated_by) = 32),
    successor_nonce bytea  CONSTRAINT refresh_tokens_nonce_check CHECK (length(successor_nonce) = 32),
    CONSTRAINT refresh_tokens_rotated_check CHECK ((rotated_at IS NULL) = (rotated_by IS NULL)),
    CONSTRAINT refresh_tokens_successor_check CHECK (successor_nonce IS NULL OR rotated_at IS NOT NULL)
);

-- A family has one live token. Rotations take turns by the lock on their session; this is the second lock.
CREATE UNIQUE INDEX refresh_tokens_live_by_session ON refresh_tokens (session_id) WHERE rotated_at IS NULL;
-- A rotation erases what its predecessors left.
CREATE INDEX refresh_tokens_erasable_by_session ON refresh_tokens (session_id) WHERE successor_nonce IS NOT NULL;
-- Pruning looks for those whose session is over.
CREATE INDEX refresh_tokens_by_end ON refresh_tokens (forget_at);

CREATE TABLE audit_events (
    id         uuid   PRIMARY KEY,
    at         bigint NOT NULL,
    kind       text   NOT NULL,
    account_id uuid   NOT NULL,
    session_id uuid,
    address    text,
    user_agent text
);

-- Pruning looks for the old.
CREATE INDEX audit_events_by_time ON audit_events (at);
