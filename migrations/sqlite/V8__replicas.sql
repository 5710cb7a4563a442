-- Why: the Postgres kind keeps its replicas here, and both kinds carry the same tables. A gateway on this file is
-- the only one, so nobody writes here but tests. seen_at is in milliseconds.
CREATE TABLE replicas (
    id       BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    followed INTEGER NOT NULL,
    lease_ms INTEGER NOT NULL,
    seen_at  INTEGER NOT NULL
) STRICT;
