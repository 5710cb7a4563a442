-- Why: whoever follows the revocations does it by number, so the numbers must be without gaps, and no
-- number may come back after pruning. An AUTOINCREMENT leaves gaps, and max(number) + 1 starts again
-- once all are pruned.
--
-- The one row of revocation_counter does both: a rollback takes its number back, and pruning leaves it
-- alone. No foreign key to sessions: the two are pruned independently.
CREATE TABLE revocations (
    number             INTEGER NOT NULL PRIMARY KEY,
    session_id         BLOB    NOT NULL UNIQUE CHECK (length(session_id) = 16),
    session_expires_at INTEGER NOT NULL,
    revoked_at         INTEGER NOT NULL,
    reason             TEXT    NOT NULL
) STRICT;

-- Pruning looks for those that say nothing new any more.
CREATE INDEX revocations_by_expiry ON revocations (session_expires_at);

CREATE TABLE revocation_counter (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    last     INTEGER NOT NULL
) STRICT;

INSERT INTO revocation_counter (only_row, last) VALUES (1, 0);
