-- Why: tokens outlive a restart, so the key that signed them must too. The private half is sealed
-- before it comes here.
--
-- signing_keys_one_per_algorithm lets exactly one of several processes that start at once bring the
-- key. Rotation will need more than one; its migration drops this index.
CREATE TABLE signing_keys (
    kid        TEXT    NOT NULL PRIMARY KEY,
    algorithm  TEXT    NOT NULL,
    sealed     BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX signing_keys_one_per_algorithm ON signing_keys (algorithm);
