-- What the networks of a cleaning job said so far, so that a worker that takes its place trains none of them anew.

create table cleaning_networks (
    job_id uuid not null references cleaning_jobs on delete cascade,
    network smallint not null,
    lesson bytea not null check (octet_length(lesson) = 32),
    probabilities real[] not null,
    distances real[] not null,
    deviations real[] not null,
    primary key (job_id, network)
);

comment on table cleaning_networks is 'What the trained networks of a cleaning job that has not learnt all yet say of the pictures that each of them has not seen';
comment on column cleaning_networks.job_id is 'The cleaning job that trained it';
comment on column cleaning_networks.network is 'Its number, from 0';
comment on column cleaning_networks.lesson is 'SHA-256 of what was learnt from and how: of another lesson it says nothing';
comment on column cleaning_networks.probabilities is 'Of each picture of its fold, in the order of the lesson, the probabilities of the classes';
comment on column cleaning_networks.distances is 'Of each picture its mean cosine distance, 0 to 2, to its nearest neighbours among the learnt pictures';
comment on column cleaning_networks.deviations is 'Of each picture how many standard deviations the logarithm of its distance lies above the median of its fold';
