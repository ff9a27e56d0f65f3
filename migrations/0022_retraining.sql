-- Training again on what a dataset has become, in a split that stays comparable.

alter table snapshots
    add column keeps_split_of uuid references snapshots on delete set null;
create index snapshots_keeps_split_of on snapshots (keeps_split_of);

comment on column snapshots.keeps_split_of is 'The earlier snapshot whose pictures stay on their sides; null when the split was drawn anew';

alter table training_runs
    add column baseline_id uuid references training_runs on delete set null;
create index training_runs_baseline on training_runs (baseline_id);

comment on column training_runs.baseline_id is 'The run whose recipe and seed it repeats on a later snapshot; null when it repeats none';
