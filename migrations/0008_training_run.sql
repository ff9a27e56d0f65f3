-- Training runs, their epochs and predictions.

create table training_runs (
    id uuid primary key default new_id(),
    snapshot_id uuid not null references snapshots,
    recipe jsonb not null,
    seed bigint not null,
    status job_status not null default 'queued',
    done bigint not null default 0,
    total bigint not null,
    checkpoint_sha256 bytea,
    train_accuracy double precision,
    test_accuracy double precision,
    gap double precision generated always as (train_accuracy - test_accuracy) stored,
    error_code text,
    error text,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz
);
create index training_runs_list on training_runs (status, id);
create index training_runs_snapshot on training_runs (snapshot_id, id);

comment on table training_runs is 'One recipe on one snapshot with one seed';
comment on column training_runs.id is 'Sorts by time of creation';
comment on column training_runs.snapshot_id is 'What it trains on';
comment on column training_runs.recipe is 'Network, optimiser and augmentation';
comment on column training_runs.seed is 'Seed of weights, dropout, order and augmentation';
comment on column training_runs.status is 'Where the run stands';
comment on column training_runs.done is 'Training pictures seen so far, over all epochs';
comment on column training_runs.total is 'Training pictures to see, over all epochs';
comment on column training_runs.checkpoint_sha256 is 'The newest complete checkpoint; null before the first epoch ends';
comment on column training_runs.train_accuracy is 'After the last epoch, dropout off, no augmentation; 0 to 1';
comment on column training_runs.test_accuracy is 'After the last epoch, on the held-out images; 0 to 1';
comment on column training_runs.gap is 'Train minus test accuracy';
comment on column training_runs.error_code is 'Stable code of what ended it';
comment on column training_runs.error is 'The same in words';
comment on column training_runs.created_at is 'When it was asked for';
comment on column training_runs.started_at is 'When a worker first took it';
comment on column training_runs.finished_at is 'When it ended, however it ended';

create table epochs (
    run_id uuid not null references training_runs on delete cascade,
    epoch int not null check (epoch > 0),
    running_accuracy double precision not null,
    train_accuracy double precision not null,
    train_loss double precision not null,
    test_accuracy double precision not null,
    test_loss double precision not null,
    seconds double precision not null,
    primary key (run_id, epoch)
);

comment on table epochs is 'The learning curve: one row per epoch';
comment on column epochs.run_id is 'The training run';
comment on column epochs.epoch is 'From 1';
comment on column epochs.running_accuracy is 'Mean over the epoch while the weights change, dropout and augmentation on, as Keras prints it';
comment on column epochs.train_accuracy is 'Measured as test accuracy is: dropout off, no augmentation';
comment on column epochs.train_loss is 'Cross entropy on the training images, measured the same way';
comment on column epochs.test_accuracy is 'On the held-out images';
comment on column epochs.test_loss is 'Cross entropy on the held-out images';
comment on column epochs.seconds is 'Wall time of the epoch with its measurements';

create table predictions (
    run_id uuid not null references training_runs on delete cascade,
    position int not null,
    label int not null,
    predicted int not null,
    probability real not null,
    primary key (run_id, position)
);

comment on table predictions is 'What the finished run says of each image of its snapshot';
comment on column predictions.run_id is 'The training run';
comment on column predictions.position is 'The image''s position in the snapshot';
comment on column predictions.label is 'Its label in the snapshot';
comment on column predictions.predicted is 'The most probable label';
comment on column predictions.probability is 'Probability of the predicted label, 0 to 1';
