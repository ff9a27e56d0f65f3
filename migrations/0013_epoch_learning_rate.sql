-- What schedules and early stopping leave behind.

alter table epochs add column learning_rate double precision;
comment on column epochs.learning_rate is 'The optimiser''s step size at the end of the epoch; null for epochs of older versions';

alter table training_runs add column best_epoch int check (best_epoch > 0);
comment on column training_runs.best_epoch is 'The epoch whose weights were kept: the last one, or the best one of early stopping';
