-- Why: a retired signing key ends its tokens as a logout ends a session's, on every replica and within the
-- same bound, so it goes the same way: as a numbered revocation. session_expires_at is then the moment from
-- which no token of the key can be alive.
--
-- status_index is a session's place in the published list of revoked sessions. Indexes are reserved in
-- blocks from the one row of status_index_counter. Sessions begun by an older version have none.
ALTER TABLE sessions ADD COLUMN status_index bigint;
ALTER TABLE sessions ADD COLUMN last_used_at bigint;

ALTER TABLE revocations ALTER COLUMN session_id DROP NOT NULL;
ALTER TABLE revocations ADD COLUMN status_index bigint;
ALTER TABLE revocations ADD COLUMN kid text COLLATE "C" CONSTRAINT revocations_kid_key UNIQUE;
ALTER TABLE revocations ADD CONSTRAINT revocations_revoked_check CHECK ((session_id IS NULL) <> (kid IS NULL));

CREATE TABLE status_index_counter (
    only_row boolean PRIMARY KEY DEFAULT true CONSTRAINT status_index_counter_only_row_check CHECK (only_row),
    next     bigint  NOT NULL
);

INSERT INTO status_index_counter (next) VALUES (0);
