-- Why: who may call, with what the server proves who it is, and what was done must be kept before there is
-- anything to do; and the role that serves requests must be unable to rewrite the past.

-- The role that serves requests. Where the owner may not create roles, an administrator creates it before. A login
-- that does both, owning and serving, is a member, so that it can serve with no more rights than this.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'baton_app') THEN
        CREATE ROLE baton_app NOLOGIN;
        EXECUTE format('GRANT baton_app TO %I', current_user);
    END IF;
END
$$;

GRANT USAGE ON SCHEMA public TO baton_app;
-- Every later table of the owner is open to the application role; a table that is append-only takes back what
-- it must (see audit_events).
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO baton_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO baton_app;

-- Makes a table append-only, for the owner too: a trigger BEFORE UPDATE OR DELETE OR TRUNCATE calls it.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TABLE audit_events (
    id          bigint      GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_events_pkey PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    actor_kind  text        NOT NULL
        CONSTRAINT audit_events_actor_kind_word CHECK (actor_kind IN ('token', 'node', 'server', 'anonymous')),
    actor_name  text,
    actor_id    uuid,
    action      text        NOT NULL,
    outcome     text        NOT NULL CONSTRAINT audit_events_outcome_word CHECK (outcome IN ('done', 'refused')),
    target_kind text        NOT NULL,
    target_id   uuid,
    target_name text,
    source      text,
    request_id  text,
    before      jsonb,
    after       jsonb
);

REVOKE UPDATE, DELETE, TRUNCATE ON audit_events FROM baton_app;

CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- API tokens. The secret is random, so a plain hash protects it.
CREATE TABLE tokens (
    id            uuid        NOT NULL CONSTRAINT tokens_pkey PRIMARY KEY,
    name          text        NOT NULL CONSTRAINT tokens_name_key UNIQUE,
    role          text        NOT NULL
        CONSTRAINT tokens_role_word CHECK (role IN ('viewer', 'operator', 'editor', 'auditor', 'admin')),
    secret_sha256 bytea       NOT NULL CONSTRAINT tokens_secret_length CHECK (octet_length(secret_sha256) = 32),
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL
);

-- Single-use tokens that give a node its identity.
CREATE TABLE join_tokens (
    id            uuid        NOT NULL CONSTRAINT join_tokens_pkey PRIMARY KEY,
    node_name     text        NOT NULL,
    secret_sha256 bytea       NOT NULL
        CONSTRAINT join_tokens_secret_length CHECK (octet_length(secret_sha256) = 32),
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    used_at       timestamptz
);

-- The Ed25519 keys that sign the JWTs of operators; the id is the `kid`. The newest signs, all verify.
CREATE TABLE signing_keys (
    id                 uuid        NOT NULL CONSTRAINT signing_keys_pkey PRIMARY KEY,
    public_key         bytea       NOT NULL
        CONSTRAINT signing_keys_public_key_length CHECK (octet_length(public_key) = 32),
    sealed_private_key bytea       NOT NULL,
    created_at         timestamptz NOT NULL
);

-- The certificate authority of this installation: one row at most.
CREATE TABLE certificate_authority (
    singleton          boolean     NOT NULL DEFAULT true
        CONSTRAINT certificate_authority_pkey PRIMARY KEY
        CONSTRAINT certificate_authority_singleton CHECK (singleton),
    certificate_pem    text        NOT NULL,
    sealed_private_key bytea       NOT NULL,
    created_at         timestamptz NOT NULL
);

-- The certificates that servers present, one for each set of names.
CREATE TABLE server_certificates (
    names              text        NOT NULL CONSTRAINT server_certificates_pkey PRIMARY KEY,
    certificate_pem    text        NOT NULL,
    sealed_private_key bytea       NOT NULL,
    expires_at         timestamptz NOT NULL
);
