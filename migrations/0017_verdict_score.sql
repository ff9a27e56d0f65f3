-- Scores of verdicts, and the settings of a cleaning job that they depend on.

alter table verdicts add column score real check (score between 0 and 1);
comment on column verdicts.score is '0 = most suspicious, 1 = nothing to see; null where the check has none';

alter table cleaning_jobs
    add column thresholds jsonb not null default '{}',
    add column keeper text not null default 'largest' check (keeper in ('largest', 'licensed', 'earliest')),
    add column size_quartiles double precision[] check (cardinality(size_quartiles) = 2);
comment on column cleaning_jobs.thresholds is 'Score under which each check that has one flags, as {"blurry": 0.29}';
comment on column cleaning_jobs.keeper is 'Which one of duplicates is kept: largest, licensed, earliest';
comment on column cleaning_jobs.size_quartiles is 'Lower and upper quartile of the square roots of the images'' areas in pixels, frozen when odd_size first asks';
