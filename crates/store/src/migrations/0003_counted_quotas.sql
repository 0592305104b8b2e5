-- What a quota bounds is counted, so that to ask it costs the same however much there is.

-- How many of a thing a registry (an account in a region) holds.
CREATE TABLE registry_counters (
    account {text} NOT NULL,
    region {text} NOT NULL,
    thing {text} NOT NULL,
    held {int} NOT NULL,
    PRIMARY KEY (account, region, thing)
) {without_rowid};
INSERT INTO registry_counters (account, region, thing, held)
SELECT account, region, 'repositories', count(*) FROM repositories WHERE deleted = 0 GROUP BY account, region;
INSERT INTO registry_counters (account, region, thing, held)
SELECT account, region, 'creation-templates', count(*) FROM creation_templates GROUP BY account, region;
INSERT INTO registry_counters (account, region, thing, held)
SELECT account, region, 'pull-through-cache-rules', count(*) FROM pull_through_cache_rules GROUP BY account, region;
INSERT INTO registry_counters (account, region, thing, held)
SELECT account, region, 'pull-time-exclusions', count(*) FROM pull_time_exclusions GROUP BY account, region;

-- Those that have a row.
ALTER TABLE repository_counters ADD COLUMN uploads {int} NOT NULL DEFAULT 0;
UPDATE repository_counters
SET uploads = (SELECT count(*) FROM uploads WHERE uploads.repository_id = repository_counters.repository_id);
