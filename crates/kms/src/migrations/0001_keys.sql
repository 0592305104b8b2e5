-- Keys. A key whose waiting time has ended keeps its row, without material, so that repositories that name it learn so.
CREATE TABLE kms_keys (
    account {text} NOT NULL,
    region {text} NOT NULL,
    id {text} NOT NULL,
    spec {text} NOT NULL,
    usage {text} NOT NULL,
    description {text} NOT NULL,
    -- Managed keys belong to a service of AWS.
    managed {int} NOT NULL,
    enabled {int} NOT NULL,
    created_at {int} NOT NULL,
    -- By the clock that users see.
    deletion_at {int},
    deleted {int} NOT NULL DEFAULT 0,
    rotation_days {int},
    next_rotation_at {int},
    -- SubjectPublicKeyInfo in DER; symmetric keys have none.
    public_key {blob},
    -- The number, the id and the master key of the newest material.
    version {int} NOT NULL,
    material_id {text} NOT NULL,
    master {text} NOT NULL,
    PRIMARY KEY (account, region, id)
) {without_rowid};

-- Policies that were put; a key without a row has the default policy.
CREATE TABLE kms_policies (
    account {text} NOT NULL,
    region {text} NOT NULL,
    key_id {text} NOT NULL,
    policy {text} NOT NULL,
    PRIMARY KEY (account, region, key_id)
) {without_rowid};

-- The material of keys, encrypted with the master key that `master` names. A rotation adds a version.
CREATE TABLE kms_materials (
    account {text} NOT NULL,
    region {text} NOT NULL,
    key_id {text} NOT NULL,
    version {int} NOT NULL,
    material_id {text} NOT NULL,
    master {text} NOT NULL,
    wrapped {blob} NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (account, region, key_id, version)
) {without_rowid};

CREATE TABLE kms_aliases (
    account {text} NOT NULL,
    region {text} NOT NULL,
    name {text} NOT NULL,
    key_id {text} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    PRIMARY KEY (account, region, name)
) {without_rowid};
CREATE INDEX kms_aliases_by_key ON kms_aliases (account, region, key_id, name);

CREATE TABLE kms_tags (
    account {text} NOT NULL,
    region {text} NOT NULL,
    key_id {text} NOT NULL,
    name {text} NOT NULL,
    value {text} NOT NULL,
    PRIMARY KEY (account, region, key_id, name)
) {without_rowid};

CREATE TABLE kms_grants (
    account {text} NOT NULL,
    region {text} NOT NULL,
    key_id {text} NOT NULL,
    id {text} NOT NULL,
    token {text} NOT NULL,
    created_at {int} NOT NULL,
    -- JSON: the name, the principals, the operations and the constraints.
    terms {text} NOT NULL,
    PRIMARY KEY (account, region, key_id, id)
) {without_rowid};
CREATE UNIQUE INDEX kms_grants_by_token ON kms_grants (token);
