-- What a cleaning job does before it judges: every picture is labelled, and a small network learns from all of them.

alter table cleaning_jobs
    add column preparing int not null default 0 check (preparing >= 0),
    add column tag_weights jsonb not null default '[]';

comment on column cleaning_jobs.preparing is 'Tasks of labelling and learning that must end before images are judged';
comment on column cleaning_jobs.tag_weights is 'What each tag of a class''s references counts for the rule specific, once all pictures are labelled';
comment on column cleaning_jobs.total is 'Steps to do, once planned: pictures to label, networks to train, images to judge';
comment on column cleaning_jobs.done is 'Steps that are done: pictures labelled, networks trained, images judged or gone meanwhile';

create table learnt_opinions (
    job_id uuid not null references cleaning_jobs on delete cascade,
    image_id uuid not null references images on delete cascade,
    class_id uuid not null references classes on delete cascade,
    suggested_class_id uuid not null references classes on delete cascade,
    self_confidence real not null,
    suggested_confidence real not null,
    suspect boolean not null,
    distance real not null,
    deviation real not null,
    primary key (job_id, image_id)
);

comment on table learnt_opinions is 'What networks trained on the other pictures of the dataset say of an image';
comment on column learnt_opinions.job_id is 'The cleaning job that trained them';
comment on column learnt_opinions.image_id is 'The image, which the network had not seen';
comment on column learnt_opinions.class_id is 'Its class at the time';
comment on column learnt_opinions.suggested_class_id is 'The most probable class';
comment on column learnt_opinions.self_confidence is 'Out-of-fold probability of its class, 0 to 1';
comment on column learnt_opinions.suggested_confidence is 'Out-of-fold probability of the suggested class, 0 to 1';
comment on column learnt_opinions.suspect is 'Whether confident learning holds the label to be wrong';
comment on column learnt_opinions.distance is 'Mean cosine distance, 0 to 2, to its nearest neighbours among the learnt pictures';
comment on column learnt_opinions.deviation is 'How many standard deviations that lies above the median';

create table label_refusals (
    job_id uuid not null references cleaning_jobs on delete cascade,
    sha256 bytea not null references pictures,
    code text not null,
    primary key (job_id, sha256)
);

comment on table label_refusals is 'Pictures that the tagger could not read, so that a job asks once';
comment on column label_refusals.job_id is 'The cleaning job that asked';
comment on column label_refusals.sha256 is 'The picture';
comment on column label_refusals.code is 'Why, as the verdict carries it';
