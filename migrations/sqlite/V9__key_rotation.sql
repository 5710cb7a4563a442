-- Why: signing keys take turns. A key is published from created_at, signs from active_from until the next one's
-- active_from, is kept while tokens of it may live, and then goes. A retired key is refused from retired_at; its
-- row stays as long, so that an operator still sees it.
--
-- More than one key per algorithm now, so the index that kept a second one out goes. That several processes bring
-- one key and not several is decided by the transaction that adds it.
--
-- A key of an older version has no active_from: it signs from created_at. Where there are several, which one signed
-- last stood in the configuration only. So they take turns now: each is kept while tokens of it may live.
ALTER TABLE signing_keys ADD COLUMN active_from INTEGER;
ALTER TABLE signing_keys ADD COLUMN retired_at INTEGER;

UPDATE signing_keys SET active_from = CAST(strftime('%s', 'now') AS INTEGER) * 1000
    WHERE created_at > (SELECT min(created_at) FROM signing_keys);

DROP INDEX signing_keys_one_per_algorithm;
