-- Lists in named orders, each with its index; answers of creates kept word for word.

create index images_arrival on images (dataset_id, id);
create index import_jobs_dataset on import_jobs (dataset_id, id);
-- Runs without a result come last in both.
create index training_runs_test_accuracy on training_runs ((coalesce(test_accuracy, -1)), id);
create index training_runs_gap on training_runs ((coalesce(gap, 2)), id);

-- jsonb sorts the keys.
alter table idempotency_keys alter column response type text using response::text;
