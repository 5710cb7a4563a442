-- Why: a replica may follow the revocations through Redis while it has lost this database. Whoever ends a session
-- while Redis is out must therefore know which replicas there are and how far each is: one row for each that
-- serves, gone with a clean stop, void lease_ms (and a margin) after seen_at, by this database's clock.
CREATE TABLE replicas (
    id       uuid        PRIMARY KEY,
    followed bigint      NOT NULL,
    lease_ms bigint      NOT NULL,
    seen_at  timestamptz NOT NULL
);
