-- Why: who may log in. One row per account; the row is never deleted, only disabled.
--
-- email_normal carries the uniqueness of addresses, so that no check-then-insert can race. Its
-- collation is "C": a unique index in a locale's order goes silently wrong when an upgrade of the
-- operating system changes that order.
-- Times are milliseconds since 1970-01-01T00:00:00Z. updated_at is for people who read the table;
-- nothing decides by it.
CREATE TABLE accounts (
    id             uuid    PRIMARY KEY,
    email_shown    text    NOT NULL,
    email_normal   text    COLLATE "C" NOT NULL CONSTRAINT accounts_email_normal_key UNIQUE,
    email_verified boolean NOT NULL,
    name           text,
    roles          text[]  NOT NULL,
    status         text    NOT NULL CONSTRAINT accounts_status_check CHECK (status IN ('active', 'disabled')),
    password_hash  text    NOT NULL,
    created_at     bigint  NOT NULL,
    updated_at     bigint  NOT NULL
);
