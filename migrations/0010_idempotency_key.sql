-- Idempotency keys: a repeated create answers what the first one answered.

create table idempotency_keys (
    key text not null,
    route text not null,
    body_sha256 bytea not null,
    status smallint,
    location text,
    response jsonb,
    created_at timestamptz not null default now(),
    primary key (route, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);

comment on table idempotency_keys is 'Answers of creates that carried an Idempotency-Key, kept 24 hours';
comment on column idempotency_keys.key is 'The client''s key';
comment on column idempotency_keys.route is 'Method and path: a key is the client''s own per route';
comment on column idempotency_keys.body_sha256 is 'Digest of the first request''s body: another body under the same key is an error';
comment on column idempotency_keys.status is 'HTTP status of the answer; written in the transaction of the create';
comment on column idempotency_keys.location is 'Location header of the answer';
comment on column idempotency_keys.response is 'Body of the answer';
comment on column idempotency_keys.created_at is 'When the first request came';
