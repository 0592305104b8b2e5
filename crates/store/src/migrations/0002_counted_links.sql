-- A push writes to fewer places: links count the images that need them, where each image had a row for each of its blobs,
-- and events stand in the order of their sequence.

-- Names the blobs whose links count the image, eight bytes each.
ALTER TABLE images ADD COLUMN blob_ids {blob} NOT NULL DEFAULT {no_bytes};
CREATE INDEX image_blobs_by_image ON image_blobs (image_id, blob_id);
UPDATE images SET blob_ids = (SELECT {packed_blob_ids} FROM image_blobs WHERE image_id = images.id)
WHERE id IN (SELECT image_id FROM image_blobs);

-- A repository that may read a blob. `images` counts those of its images that need the blob, `active_images` those of them
-- that can be pulled; `media_type` is what the first of them made of it. A row for each image and blob
-- would have each push write to as many places as the image has layers.
CREATE TABLE counted_links (
    repository_id {int} NOT NULL REFERENCES repositories (id),
    blob_id {int} NOT NULL REFERENCES blobs (id),
    used_at {int} NOT NULL,
    images {int} NOT NULL DEFAULT 0,
    active_images {int} NOT NULL DEFAULT 0,
    media_type {text},
    PRIMARY KEY (repository_id, blob_id),
    CHECK (images >= active_images AND active_images >= 0)
) {without_rowid};
INSERT INTO counted_links
SELECT l.repository_id, l.blob_id, l.used_at, count(n.image_id), count(CASE i.status WHEN 'ACTIVE' THEN 1 END), min(n.media_type)
FROM links l
LEFT JOIN image_blobs n ON n.repository_id = l.repository_id AND n.blob_id = l.blob_id
LEFT JOIN images i ON i.id = n.image_id
GROUP BY l.repository_id, l.blob_id;
DROP TABLE image_blobs;
DROP TABLE links;
ALTER TABLE counted_links RENAME TO links;
CREATE INDEX links_by_blob ON links (blob_id);

-- Every event, in the order of its commit. `repository` is what its order matters to; `time` is of the clock that users
-- see, `recorded_at` machine time.
CREATE TABLE ordered_outbox (
    sequence {id},
    account {text} NOT NULL,
    region {text} NOT NULL,
    repository {text} NOT NULL,
    source {text} NOT NULL,
    detail_type {text} NOT NULL,
    time {int} NOT NULL,
    recorded_at {int} NOT NULL,
    resources {text} NOT NULL,
    detail {text} NOT NULL
) {strict};
INSERT INTO ordered_outbox
SELECT sequence, account, region, repository, source, detail_type, time, recorded_at, resources, detail FROM outbox
ORDER BY sequence;
DROP TABLE outbox;
ALTER TABLE ordered_outbox RENAME TO outbox;

-- The last event that is gone, so that no sequence is given twice.
CREATE TABLE outbox_floor (
    id {int} PRIMARY KEY,
    sequence {int} NOT NULL
) {strict};
INSERT INTO outbox_floor SELECT 1, sequence FROM outbox_floors;
DROP TABLE outbox_floors;

-- The last event that a sink has taken. Only the `active` ones, those of the running server, hold events back.
CREATE TABLE reached_cursors (
    sink {text} PRIMARY KEY,
    sequence {int} NOT NULL,
    active {int} NOT NULL
) {without_rowid};
INSERT INTO reached_cursors SELECT sink, sequence, active FROM sink_cursors;
DROP TABLE sink_cursors;
ALTER TABLE reached_cursors RENAME TO sink_cursors;
