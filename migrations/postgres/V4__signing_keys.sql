-- Why: all replicas sign with the same key, and tokens outlive a restart. The private half is sealed
-- before it comes here.
--
-- signing_keys_one_per_algorithm lets exactly one of several replicas that start at once bring the
-- key. Rotation will need more than one; its migration drops this index.
CREATE TABLE signing_keys (
    kid        text   COLLATE "C" PRIMARY KEY,
    algorithm  text   COLLATE "C" NOT NULL,
    sealed     bytea  NOT NULL,
    created_at bigint NOT NULL
);

CREATE UNIQUE INDEX signing_keys_one_per_algorithm ON signing_keys (algorithm);
