-- Cleaning jobs, verdicts, quarantine moves and reviews.

create table cleaning_jobs (
    id uuid primary key default new_id(),
    dataset_id uuid not null references datasets on delete cascade,
    checks text[] not null check (cardinality(checks) > 0),
    tags jsonb,
    dry_run boolean not null,
    budget_usd double precision check (budget_usd >= 0),
    status job_status not null default 'queued',
    planned_at timestamptz,
    reference_tags jsonb not null default '[]',
    total int,
    done int not null default 0,
    tally jsonb not null default '{}',
    tagger_calls int not null default 0,
    cost_usd double precision not null default 0,
    error_code text,
    error text,
    undone_at timestamptz,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz
);
create index cleaning_jobs_list on cleaning_jobs (status, id);
create index cleaning_jobs_dataset on cleaning_jobs (dataset_id, id);

comment on table cleaning_jobs is 'One pass of checks over a dataset';
comment on column cleaning_jobs.id is 'Sorts by time of creation';
comment on column cleaning_jobs.dataset_id is 'The dataset that is cleaned';
comment on column cleaning_jobs.checks is 'Names of the checks in the registry';
comment on column cleaning_jobs.tags is 'Settings of the tags check: tagger, rule, k, min_confidence';
comment on column cleaning_jobs.dry_run is 'Verdicts are written but count for nothing, and nothing moves';
comment on column cleaning_jobs.budget_usd is 'The tagger is not called beyond this cost';
comment on column cleaning_jobs.status is 'Where the job stands';
comment on column cleaning_jobs.planned_at is 'When the list of images was frozen: later arrivals wait for the next job';
comment on column cleaning_jobs.reference_tags is 'The references that the tags check compares with, per class, and their top k';
comment on column cleaning_jobs.total is 'Images to check, once planned';
comment on column cleaning_jobs.done is 'Images that are settled: judged, or gone meanwhile';
comment on column cleaning_jobs.tally is 'Images per outcome, and per check and outcome';
comment on column cleaning_jobs.tagger_calls is 'Calls that the tagger answered for this job';
comment on column cleaning_jobs.cost_usd is 'What those calls cost';
comment on column cleaning_jobs.error_code is 'Stable code of what ended the job';
comment on column cleaning_jobs.error is 'The same in words';
comment on column cleaning_jobs.undone_at is 'When its verdicts were withdrawn';
comment on column cleaning_jobs.created_at is 'When it was asked for';
comment on column cleaning_jobs.started_at is 'When a worker first took it';
comment on column cleaning_jobs.finished_at is 'When it ended, however it ended';

create type review_decision as enum ('keep', 'reject', 'reclass');

create table reviews (
    id uuid primary key default new_id(),
    decision review_decision not null,
    class_id uuid references classes on delete cascade,
    undone_at timestamptz,
    created_at timestamptz not null default now(),
    check ((decision = 'reclass') = (class_id is not null))
);

comment on table reviews is 'What a person decided about one or many images, undone as one';
comment on column reviews.id is 'Sorts by time: the newest of an image counts';
comment on column reviews.decision is 'keep, reject, or another class';
comment on column reviews.class_id is 'The new class of reclass';
comment on column reviews.undone_at is 'When it was taken back';
comment on column reviews.created_at is 'When it was decided';

create table review_images (
    review_id uuid not null references reviews on delete cascade,
    image_id uuid not null references images on delete cascade,
    previous_class_id uuid not null references classes on delete cascade,
    primary key (review_id, image_id)
);
create index review_images_image on review_images (image_id, review_id desc);

comment on table review_images is 'The images of a review';
comment on column review_images.review_id is 'The review';
comment on column review_images.image_id is 'The image that it is about';
comment on column review_images.previous_class_id is 'Its class before, for undo';

create type verdict_outcome as enum ('passed', 'flagged', 'unscannable', 'withdrawn');

create table verdicts (
    id uuid primary key default new_id(),
    job_id uuid not null references cleaning_jobs on delete cascade,
    image_id uuid not null references images on delete cascade,
    "check" text not null,
    outcome verdict_outcome not null,
    code text,
    reason text not null,
    evidence jsonb not null default '{}',
    dry_run boolean not null,
    reopened boolean not null default false,
    created_at timestamptz not null default now()
);
create unique index verdicts_once on verdicts (job_id, image_id, "check") where outcome <> 'withdrawn' and not reopened;
create unique index verdicts_withdrawn_once on verdicts (job_id, image_id, "check") where outcome = 'withdrawn';
create index verdicts_newest on verdicts (image_id, "check", id desc) where not dry_run;
create index verdicts_list on verdicts (job_id, id);
create index verdicts_by_check on verdicts (job_id, "check", outcome, id);

comment on table verdicts is 'What one check said of one image, and why; append-only, the newest per check counts';
comment on column verdicts.id is 'Sorts by time: the newest per check is the largest';
comment on column verdicts.job_id is 'The cleaning job that asked';
comment on column verdicts.image_id is 'The image that was judged';
comment on column verdicts."check" is 'Name of the check in the registry';
comment on column verdicts.outcome is 'passed, flagged, unscannable (never clean), or withdrawn by undo';
comment on column verdicts.code is 'Code behind unscannable';
comment on column verdicts.reason is 'The verdict in words';
comment on column verdicts.evidence is 'The verdict in data: matched tags, reference, distances, label model version';
comment on column verdicts.dry_run is 'It counts for nothing';
comment on column verdicts.reopened is 'The check decided anew behind the job: an image that takes part in the decision was rejected or came back';
comment on column verdicts.created_at is 'When it was given';

create type move_direction as enum ('quarantine', 'restore');
create type move_step as enum ('planned', 'copied', 'verified', 'recorded', 'deleted');

create table moves (
    id uuid primary key default new_id(),
    image_id uuid not null references images on delete cascade,
    direction move_direction not null,
    step move_step not null default 'planned',
    job_id uuid references cleaning_jobs on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create unique index moves_one_at_a_time on moves (image_id) where step <> 'deleted';
create index moves_open on moves (job_id) where step <> 'deleted';
create index moves_image on moves (image_id);

comment on table moves is 'Journal of the bytes between images/ and flagged/; each step can be repeated';
comment on column moves.id is 'Sorts by time';
comment on column moves.image_id is 'The image whose bytes move';
comment on column moves.direction is 'Into quarantine or back';
comment on column moves.step is 'The last step that is done: the copy is verified before the row says so, the source goes last';
comment on column moves.job_id is 'The cleaning job that waits for it; null when a person caused it';
comment on column moves.created_at is 'When the move was decided';
comment on column moves.updated_at is 'When the last step was done';
