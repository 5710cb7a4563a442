-- Why: a retired signing key ends its tokens as a logout ends a session's, so it goes the same way: as a
-- numbered revocation. session_expires_at is then the moment from which no token of the key can be alive.
-- SQLite cannot drop a NOT NULL, so the table is built anew.
--
-- status_index is a session's place in the published list of revoked sessions. Indexes are reserved in
-- blocks from the one row of status_index_counter. Sessions begun by an older version have none.
ALTER TABLE sessions ADD COLUMN status_index INTEGER;
ALTER TABLE sessions ADD COLUMN last_used_at INTEGER;

CREATE TABLE revocations_new (
    number             INTEGER NOT NULL PRIMARY KEY,
    session_id         BLOB    UNIQUE CHECK (length(session_id) = 16),
    kid                TEXT    UNIQUE,
    status_index       INTEGER,
    session_expires_at INTEGER NOT NULL,
    revoked_at         INTEGER NOT NULL,
    reason             TEXT    NOT NULL,
    CHECK ((session_id IS NULL) <> (kid IS NULL))
) STRICT;

INSERT INTO revocations_new (number, session_id, session_expires_at, revoked_at, reason)
    SELECT number, session_id, session_expires_at, revoked_at, reason FROM revocations;
DROP TABLE revocations;
ALTER TABLE revocations_new RENAME TO revocations;
CREATE INDEX revocations_by_expiry ON revocations (session_expires_at);

CREATE TABLE status_index_counter (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    next     INTEGER NOT NULL
) STRICT;

INSERT INTO status_index_counter (only_row, next) VALUES (1, 0);
