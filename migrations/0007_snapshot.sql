-- Snapshots: frozen membership, labels and split of a dataset.

create table snapshots (
    id uuid primary key default new_id(),
    dataset_id uuid not null references datasets,
    test_fraction double precision not null check (test_fraction > 0 and test_fraction < 1),
    seed bigint not null,
    status job_status not null default 'queued',
    classes text[] not null default '{}',
    train int not null default 0,
    test int not null default 0,
    leaks int not null default 0,
    error_code text,
    error text,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz
);
create index snapshots_dataset on snapshots (dataset_id, id);
create index snapshots_list on snapshots (status, id);

comment on table snapshots is 'A frozen dataset: what is trained on';
comment on column snapshots.id is 'Sorts by time of creation';
comment on column snapshots.dataset_id is 'The dataset that was frozen';
comment on column snapshots.test_fraction is 'Share of each class that is held out';
comment on column snapshots.seed is 'Seed of the split';
comment on column snapshots.status is 'Where the freezing stands';
comment on column snapshots.classes is 'Class names in label order: label 0 is the first';
comment on column snapshots.train is 'Images to train on';
comment on column snapshots.test is 'Images held out';
comment on column snapshots.leaks is 'Near-duplicate pairs with one picture on each side of the split';
comment on column snapshots.error_code is 'Stable code of what ended it';
comment on column snapshots.error is 'The same in words';
comment on column snapshots.created_at is 'When it was asked for';
comment on column snapshots.started_at is 'When a worker first took it';
comment on column snapshots.finished_at is 'When it ended, however it ended';

create type split as enum ('train', 'test');

create table snapshot_images (
    snapshot_id uuid not null references snapshots on delete cascade,
    position int not null,
    image_id uuid references images on delete set null,
    sha256 bytea not null references pictures,
    label int not null check (label >= 0),
    split split not null,
    primary key (snapshot_id, position)
);
create index snapshot_images_image on snapshot_images (image_id);
create index snapshot_images_sha256 on snapshot_images (sha256);

comment on table snapshot_images is 'Membership of a snapshot; never changed after it is made';
comment on column snapshot_images.snapshot_id is 'The snapshot';
comment on column snapshot_images.position is 'Order of the images, the same for the same dataset and seed';
comment on column snapshot_images.image_id is 'The image; null once it is gone from the dataset';
comment on column snapshot_images.sha256 is 'Its picture';
comment on column snapshot_images.label is 'Index into the snapshot''s classes';
comment on column snapshot_images.split is 'Which side of the split';
