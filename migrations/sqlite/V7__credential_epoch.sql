-- Why: a login that checked the old password must not be able to begin a session once the password was
-- changed. The epoch grows with every change of the password, and not when the same password is hashed anew;
-- a login carries the one that it read with the hash, and a session is stored only while it still holds.
--
-- From here on accounts can be deleted, with all their sessions, whether these have ended or not. The index
-- finds those, also for the foreign key, and lists the sessions of an account, newest first.
ALTER TABLE accounts ADD COLUMN credential_epoch INTEGER NOT NULL DEFAULT 0;

CREATE INDEX sessions_by_account ON sessions (account_id, id);
