-- A dataset that is deleted takes its snapshots, runs and models along. The API asks for ?cascade=true before.

alter table snapshots drop constraint snapshots_dataset_id_fkey,
    add foreign key (dataset_id) references datasets on delete cascade;
alter table training_runs drop constraint training_runs_snapshot_id_fkey,
    add foreign key (snapshot_id) references snapshots on delete cascade;
alter table models drop constraint models_dataset_id_fkey,
    add foreign key (dataset_id) references datasets on delete cascade,
    drop constraint models_training_run_id_fkey,
    add foreign key (training_run_id) references training_runs on delete cascade;
alter table activations drop constraint activations_model_id_fkey,
    add foreign key (model_id) references models on delete cascade;
