-- Why: replicas learn of ended sessions by following numbers, so the numbers must be without gaps and
-- become visible in order. A sequence gives neither: it leaves a gap after a rollback, and a larger
-- number may commit before a smaller one.
--
-- The one row of revocation_counter does: updating it locks it until the commit, so that writers take
-- turns, and a rollback takes the number back. It stays when old revocations are pruned.
-- No foreign key to sessions: the two are pruned independently.
CREATE TABLE revocations (
    number             bigint PRIMARY KEY,
    session_id         uuid   NOT NULL CONSTRAINT revocations_session_id_key UNIQUE,
    session_expires_at bigint NOT NULL,
    revoked_at         bigint NOT NULL,
    reason             text   NOT NULL
);

-- Pruning looks for those that say nothing new any more.
CREATE INDEX revocations_by_expiry ON revocations (session_expires_at);

CREATE TABLE revocation_counter (
    only_row boolean PRIMARY KEY DEFAULT true CONSTRAINT revocation_counter_only_row_check CHECK (only_row),
    last     bigint  NOT NULL
);

INSERT INTO revocation_counter (last) VALUES (0);
