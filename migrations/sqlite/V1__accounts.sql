-- Why: who may log in. One row per account; the row is never deleted, only disabled.
--
-- email_normal carries the uniqueness of addresses, so that no check-then-insert can race.
-- Ids are the 16 bytes of the UUID, which sort by age. roles is a JSON array of strings.
-- Times are milliseconds since 1970-01-01T00:00:00Z. updated_at is for people who read the table;
-- nothing decides by it.
CREATE TABLE accounts (
    id             BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    email_shown    TEXT    NOT NULL,
    email_normal   TEXT    NOT NULL UNIQUE,
    email_verified INTEGER NOT NULL CHECK (email_verified IN (0, 1)),
    name           TEXT,
    roles          TEXT    NOT NULL,
    status         TEXT    NOT NULL CHECK (status IN ('active', 'disabled')),
    password_hash  TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
) STRICT;
