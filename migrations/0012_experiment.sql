-- Experiments: grids of training runs on one snapshot.

create table experiments (
    id uuid primary key default new_id(),
    snapshot_id uuid not null references snapshots on delete cascade,
    name text not null,
    created_at timestamptz not null default now()
);
create index experiments_snapshot on experiments (snapshot_id, id);

comment on table experiments is 'A grid of recipes and seeds on one snapshot';
comment on column experiments.id is 'Sorts by time of creation';
comment on column experiments.snapshot_id is 'What all its runs train on';
comment on column experiments.name is 'Chosen by the user, or what the grid varies';
comment on column experiments.created_at is 'When it was asked for';

alter table training_runs
    add column experiment_id uuid references experiments on delete cascade,
    add column name text not null default '';
create index training_runs_experiment on training_runs (experiment_id, id);

comment on column training_runs.experiment_id is 'The experiment that it is part of';
comment on column training_runs.name is 'What sets its recipe apart in its experiment; the same for all seeds';
