-- Models: what training runs published, and which one is active.

create table models (
    id uuid primary key default new_id(),
    dataset_id uuid not null references datasets,
    training_run_id uuid not null unique references training_runs,
    classes text[] not null,
    sha256 bytea not null check (octet_length(sha256) = 32),
    bytes bigint not null,
    unfamiliar_below real not null check (unfamiliar_below between 0 and 1),
    created_at timestamptz not null default now()
);
create index models_dataset on models (dataset_id, id);

comment on table models is 'A published model; immutable';
comment on column models.id is 'Sorts by time of publication';
comment on column models.dataset_id is 'The dataset whose classes it tells apart';
comment on column models.training_run_id is 'The run that made it';
comment on column models.classes is 'Class names in the order of the network''s outputs';
comment on column models.sha256 is 'SHA-256 of the bundle: its address in the blob store, checked at every load';
comment on column models.bytes is 'Length of the bundle';
comment on column models.unfamiliar_below is 'A picture whose top probability is below this is unlike what the model was measured on';
comment on column models.created_at is 'When it was published';

create table activations (
    id bigint generated always as identity primary key,
    dataset_id uuid not null references datasets on delete cascade,
    model_id uuid not null references models,
    activated_at timestamptz not null default clock_timestamp()
);
create index activations_dataset on activations (dataset_id, id desc);

comment on table activations is 'Which model answers: the newest per dataset; the newest of all is the service''s default';
comment on column activations.id is 'Order of the activations';
comment on column activations.dataset_id is 'The dataset whose active model changed';
comment on column activations.model_id is 'The model that answers from then on';
comment on column activations.activated_at is 'When';
