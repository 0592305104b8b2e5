-- The first schema: repositories, their images, and the blobs these need.
-- {id}, {int}, {text}, {blob}, {strict} and {without_rowid} are replaced by each backend with its own words.
-- Times are milliseconds since 1970. Digests are their bytes: 32 of sha256, 64 of sha512.

CREATE TABLE keys (
    id {id},
    created_at {int} NOT NULL,
    secret {blob} NOT NULL
) {strict};

-- Whatever a registry (an account in a region) has been told: account settings, policies, configurations.
CREATE TABLE registry_settings (
    account {text} NOT NULL,
    region {text} NOT NULL,
    name {text} NOT NULL,
    value {text} NOT NULL,
    PRIMARY KEY (account, region, name)
) {without_rowid};

-- A deleted repository keeps its row, outside the name index, until its images and links are removed.
CREATE TABLE repositories (
    id {id},
    account {text} NOT NULL,
    region {text} NOT NULL,
    name {text} NOT NULL,
    created_at {int} NOT NULL,
    deleted {int} NOT NULL DEFAULT 0,
    tag_mutability {text} NOT NULL,
    exclusion_filters {text},
    scan_on_push {int} NOT NULL,
    encryption_type {text} NOT NULL,
    kms_key {text},
    policy {text}
) {strict};
CREATE UNIQUE INDEX repositories_by_name ON repositories (account, region, name) WHERE deleted = 0;
CREATE INDEX repositories_deleted ON repositories (id) WHERE deleted = 1;

-- What changes with each push, apart from the row that carries policies.
CREATE TABLE repository_counters (
    repository_id {int} PRIMARY KEY REFERENCES repositories (id),
    images {int} NOT NULL,
    push_sequence {int} NOT NULL
) {strict};

CREATE TABLE resource_tags (
    repository_id {int} NOT NULL REFERENCES repositories (id),
    key {text} NOT NULL,
    value {text} NOT NULL,
    PRIMARY KEY (repository_id, key)
) {without_rowid};

-- `file` is a name below the blob directory, `bytes` the content itself when it is small; one of them is set.
-- `identity` is what `fstat` said of the file when its bytes were last hashed; a blob known to be `damaged` answers
-- as absent until a push brings it anew.
CREATE TABLE blobs (
    id {id},
    digest {blob} NOT NULL UNIQUE,
    size {int} NOT NULL,
    damaged {int} NOT NULL DEFAULT 0,
    file {text},
    identity {blob},
    bytes {blob}
) {strict};

-- A repository that may read a blob.
CREATE TABLE links (
    repository_id {int} NOT NULL REFERENCES repositories (id),
    blob_id {int} NOT NULL REFERENCES blobs (id),
    used_at {int} NOT NULL,
    PRIMARY KEY (repository_id, blob_id)
) {without_rowid};
CREATE INDEX links_by_blob ON links (blob_id);

-- One session of receiving a layer. `bytes` holds what has arrived while it is small, `file` what has outgrown that.
-- `algorithm` is 256 or 512, of the hash that goes along; `hash_state` is that hash after `synced_offset` bytes.
CREATE TABLE uploads (
    id {blob} PRIMARY KEY,
    repository_id {int} NOT NULL REFERENCES repositories (id),
    created_at {int} NOT NULL,
    algorithm {int} NOT NULL,
    synced_offset {int} NOT NULL,
    hash_state {blob},
    file {text},
    bytes {blob},
    part_count {int} NOT NULL,
    last_part {int} NOT NULL,
    smallest_inner_part {int}
) {without_rowid};
CREATE INDEX uploads_by_repository ON uploads (repository_id);
CREATE INDEX uploads_by_age ON uploads (created_at);

-- Ids that prove by themselves that they were given, of uploads that had a row and have ended: nothing begins under them
-- again. They sort by the time they were given at.
CREATE TABLE ended_uploads (
    id {blob} PRIMARY KEY
) {without_rowid};

-- The manifest stands last, so that a list need not read it.
CREATE TABLE images (
    id {id},
    repository_id {int} NOT NULL REFERENCES repositories (id),
    digest {blob} NOT NULL,
    push_sequence {int} NOT NULL,
    tagged {int} NOT NULL,
    status {text} NOT NULL,
    pushed_at {int} NOT NULL,
    size {int} NOT NULL,
    manifest_size {int} NOT NULL,
    media_type {text} NOT NULL,
    artifact_media_type {text},
    subject {blob},
    last_pulled_at {int},
    last_archived_at {int},
    last_activated_at {int},
    annotations {text},
    manifest {blob} NOT NULL,
    UNIQUE (repository_id, digest)
) {strict};
CREATE UNIQUE INDEX images_by_repository ON images (repository_id, id);
CREATE INDEX images_by_subject ON images (repository_id, subject, id) WHERE subject IS NOT NULL;

CREATE TABLE tags (
    repository_id {int} NOT NULL,
    tag {text} NOT NULL,
    image_id {int} NOT NULL,
    PRIMARY KEY (repository_id, tag),
    FOREIGN KEY (repository_id, image_id) REFERENCES images (repository_id, id)
) {without_rowid};
CREATE INDEX tags_by_image ON tags (repository_id, image_id, tag);

-- Which images of a repository need a blob, and as what. That the image is there is not held by a key: it would cost an index
-- of its own, or each deletion of an image a look at every row of the repository.
CREATE TABLE image_blobs (
    repository_id {int} NOT NULL,
    blob_id {int} NOT NULL,
    image_id {int} NOT NULL,
    media_type {text} NOT NULL,
    PRIMARY KEY (repository_id, blob_id, image_id),
    FOREIGN KEY (repository_id, blob_id) REFERENCES links (repository_id, blob_id)
) {without_rowid};

-- Which indexes of a repository name an image. The index is not held by a key, for the same reason.
CREATE TABLE image_children (
    repository_id {int} NOT NULL,
    child_id {int} NOT NULL,
    index_id {int} NOT NULL,
    PRIMARY KEY (repository_id, child_id, index_id),
    FOREIGN KEY (repository_id, child_id) REFERENCES images (repository_id, id)
) {without_rowid};

-- What came of signing an image with a profile of the registry's signing configuration, when it was pushed.
CREATE TABLE signing_statuses (
    repository_id {int} NOT NULL,
    image_id {int} NOT NULL,
    profile_arn {text} NOT NULL,
    status {text} NOT NULL,
    failure_code {text},
    failure_reason {text},
    PRIMARY KEY (repository_id, image_id, profile_arn),
    FOREIGN KEY (repository_id, image_id) REFERENCES images (repository_id, id) ON DELETE CASCADE
) {without_rowid};

-- A repository whose tags are given to signed images only, and the key that must have signed: its public half as
-- SubjectPublicKeyInfo in DER, or the ARN of the KMS key that has it; one of them is set.
CREATE TABLE verification_keys (
    repository_id {int} PRIMARY KEY REFERENCES repositories (id) ON DELETE CASCADE,
    public_key {blob},
    kms_key_arn {text}
) {strict};

-- Work that nobody waits for. `due` is of the clock that users see; before `not_before`, which is machine time like
-- `lease_until`, no run begins. What is scheduled while a run has the lease waits in `again_due` for the run to end.
CREATE TABLE jobs (
    id {id},
    kind {text} NOT NULL,
    account {text} NOT NULL,
    region {text} NOT NULL,
    subject {text} NOT NULL,
    due {int} NOT NULL,
    not_before {int} NOT NULL DEFAULT 0,
    again_due {int},
    attempts {int} NOT NULL DEFAULT 0,
    lease_owner {text},
    lease_until {int},
    last_error {text},
    UNIQUE (kind, account, region, subject)
) {strict};
CREATE INDEX jobs_by_due ON jobs (due);

-- Every event, in the order of its commit. `repository` is what its order matters to; `time` is of the clock that users
-- see, `recorded_at` machine time.
CREATE TABLE outbox (
    shard {int} NOT NULL,
    sequence {int} NOT NULL,
    account {text} NOT NULL,
    region {text} NOT NULL,
    repository {text} NOT NULL,
    source {text} NOT NULL,
    detail_type {text} NOT NULL,
    time {int} NOT NULL,
    recorded_at {int} NOT NULL,
    resources {text} NOT NULL,
    detail {text} NOT NULL,
    PRIMARY KEY (shard, sequence)
) {without_rowid};

-- The last event that is gone, so that no sequence is given twice.
CREATE TABLE outbox_floors (
    shard {int} PRIMARY KEY,
    sequence {int} NOT NULL
) {strict};

-- The last event that a sink has taken. Only the `active` ones, those of the running server, hold events back.
CREATE TABLE sink_cursors (
    sink {text} NOT NULL,
    shard {int} NOT NULL,
    sequence {int} NOT NULL,
    active {int} NOT NULL,
    PRIMARY KEY (sink, shard)
) {without_rowid};

-- Who an access key belongs to.
CREATE TABLE principals (
    access_key_id {text} PRIMARY KEY,
    account {text} NOT NULL,
    arn {text} NOT NULL
) {without_rowid};

-- How the clock that users see was set; no row while it runs free.
CREATE TABLE clock (
    id {int} PRIMARY KEY,
    frozen_at {int},
    ahead {int} NOT NULL
) {strict};

-- Principals whose pulls leave no trace.
CREATE TABLE pull_time_exclusions (
    account {text} NOT NULL,
    region {text} NOT NULL,
    principal {text} NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (account, region, principal)
) {without_rowid};

-- An image and a registry that it is, or was, to reach. A status of NULL is that of an image that is to reach it no more,
-- while something is left to be removed there. `refusals` counts runs that the destination has refused since the last push.
CREATE TABLE replications (
    id {id},
    repository_id {int} NOT NULL REFERENCES repositories (id),
    digest {blob} NOT NULL,
    account {text} NOT NULL,
    region {text} NOT NULL,
    status {text},
    failure_code {text},
    refusals {int} NOT NULL DEFAULT 0,
    UNIQUE (repository_id, digest, account, region)
) {strict};

-- What a replication has yet to bring in line with its source: a tag, or as an empty tag the image itself. `removal` is 1
-- when what the source has no more is to go from the destination, too.
CREATE TABLE replication_tasks (
    replication_id {int} NOT NULL REFERENCES replications (id),
    tag {text} NOT NULL,
    removal {int} NOT NULL,
    PRIMARY KEY (replication_id, tag)
) {without_rowid};

-- A replication of all that a registry has to one destination. The cursor is where its preparation has come to: the last
-- repository, image and tag that have a row below. One that is `removed` is gone for every reader.
CREATE TABLE replication_backfills (
    id {id},
    backfill_id {text} NOT NULL,
    account {text} NOT NULL,
    region {text} NOT NULL,
    destination_account {text} NOT NULL,
    destination_region {text} NOT NULL,
    status {text} NOT NULL,
    failure_code {text},
    started_at {int} NOT NULL,
    ended_at {int},
    prepared {int} NOT NULL DEFAULT 0,
    cursor_repository {text} NOT NULL DEFAULT '',
    cursor_image {int} NOT NULL DEFAULT 0,
    cursor_tag {text} NOT NULL DEFAULT '',
    total {int} NOT NULL DEFAULT 0,
    completed {int} NOT NULL DEFAULT 0,
    failed {int} NOT NULL DEFAULT 0,
    failure_codes {text} NOT NULL DEFAULT '',
    removed {int} NOT NULL DEFAULT 0,
    UNIQUE (account, region, backfill_id)
) {strict};
CREATE INDEX replication_backfills_by_registry ON replication_backfills (account, region, id) WHERE removed = 0;
CREATE INDEX replication_backfills_under_way ON replication_backfills (account, region) WHERE ended_at IS NULL;
CREATE INDEX replication_backfills_ended ON replication_backfills (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX replication_backfills_removed ON replication_backfills (id) WHERE removed = 1;

-- Each image and tag of a backfill. The status is PENDING until the replication was tried.
CREATE TABLE replication_backfill_results (
    backfill_id {int} NOT NULL REFERENCES replication_backfills (id),
    position {int} NOT NULL,
    repository {text} NOT NULL,
    digest {blob} NOT NULL,
    tag {text},
    status {text} NOT NULL,
    failure_code {text},
    sub_image_failure_codes {text},
    PRIMARY KEY (backfill_id, position)
) {without_rowid};
CREATE INDEX replication_backfill_results_by_status ON replication_backfill_results (backfill_id, status, position);

-- Lifecycle policies, in the form in which ECR returns them; apart from the repositories, which every request reads.
CREATE TABLE lifecycle_policies (
    repository_id {int} PRIMARY KEY REFERENCES repositories (id),
    policy {text} NOT NULL,
    last_evaluated_at {int} NOT NULL
) {strict};

-- The last preview that was started for a repository. `policy` is the text as it was given.
CREATE TABLE lifecycle_previews (
    repository_id {int} PRIMARY KEY REFERENCES repositories (id),
    policy {text} NOT NULL,
    status {text} NOT NULL,
    started_at {int} NOT NULL,
    expiring {int} NOT NULL,
    archiving {int} NOT NULL
) {strict};

-- What a preview has found, as the images were then, so that they may be gone. `tags` are divided by spaces.
CREATE TABLE lifecycle_preview_results (
    repository_id {int} NOT NULL REFERENCES lifecycle_previews (repository_id),
    position {int} NOT NULL,
    digest {blob} NOT NULL,
    tags {text} NOT NULL,
    pushed_at {int} NOT NULL,
    rule {int} NOT NULL,
    action {text} NOT NULL,
    storage_class {text} NOT NULL,
    PRIMARY KEY (repository_id, position)
) {without_rowid};
CREATE INDEX lifecycle_preview_results_by_digest ON lifecycle_preview_results (repository_id, digest);

-- How repositories are made that come without being created by name. `prefix` stands without its slash, which is assumed,
-- and `given_prefix` as it was given.
CREATE TABLE creation_templates (
    account {text} NOT NULL,
    region {text} NOT NULL,
    prefix {text} NOT NULL,
    given_prefix {text} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    applied_for {text} NOT NULL,
    description {text},
    encryption_type {text} NOT NULL,
    kms_key {text},
    tag_mutability {text} NOT NULL,
    exclusion_filters {text},
    resource_tags {text} NOT NULL,
    custom_role_arn {text},
    repository_policy {text},
    lifecycle_policy {text},
    PRIMARY KEY (account, region, prefix)
) {without_rowid};

-- The last scan of an image, one of each type: what one type has found is hidden while the other is set. The findings
-- that are to be seen are those of the `generation`. Where advisories were missing, it is known which there were.
CREATE TABLE image_scans (
    id {id},
    repository_id {int} NOT NULL REFERENCES repositories (id),
    image_id {int} NOT NULL REFERENCES images (id),
    scan_type {text} NOT NULL,
    status {text} NOT NULL,
    description {text} NOT NULL DEFAULT '',
    requested_at {int} NOT NULL,
    completed_at {int},
    source_updated_at {int},
    lacking_revision {int},
    severity_counts {text} NOT NULL DEFAULT '{}',
    generation {int} NOT NULL DEFAULT 0,
    UNIQUE (image_id, scan_type)
) {strict};
CREATE INDEX image_scans_by_repository ON image_scans (repository_id);

-- Findings, many in a row, so that an image is deleted at the cost of few rows.
CREATE TABLE image_scan_findings (
    scan_id {int} NOT NULL REFERENCES image_scans (id),
    generation {int} NOT NULL,
    first_position {int} NOT NULL,
    findings {text} NOT NULL,
    PRIMARY KEY (scan_id, generation, first_position)
) {without_rowid};

-- Findings that a test has set for a digest: a scan of such an image gives these.
CREATE TABLE preset_findings (
    digest {blob} PRIMARY KEY,
    findings {text} NOT NULL
) {without_rowid};

-- Secrets that rules of the pull-through cache name, as long as no other service holds them. A `kms_key` is one of the
-- customer's, with which nothing here can decrypt.
CREATE TABLE secrets (
    arn {text} PRIMARY KEY,
    account {text} NOT NULL,
    region {text} NOT NULL,
    kms_key {text},
    value {text} NOT NULL
) {without_rowid};

-- Where repositories get images that they do not have. `prefix` stands without its slash, which is assumed, and
-- `given_prefix` as it was given.
CREATE TABLE pull_through_cache_rules (
    account {text} NOT NULL,
    region {text} NOT NULL,
    prefix {text} NOT NULL,
    given_prefix {text} NOT NULL,
    upstream_url {text} NOT NULL,
    upstream_registry {text},
    upstream_prefix {text} NOT NULL,
    credential_arn {text},
    custom_role_arn {text},
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    PRIMARY KEY (account, region, prefix)
) {without_rowid};

-- Tags that came from an upstream registry, and when they were last compared with it.
CREATE TABLE cached_tags (
    repository_id {int} NOT NULL REFERENCES repositories (id),
    tag {text} NOT NULL,
    checked_at {int} NOT NULL,
    PRIMARY KEY (repository_id, tag)
) {without_rowid};
