-- Scrape jobs and their candidates.

create type stop_reason as enum
    ('limit_reached', 'exhausted', 'cap_reached', 'blocked_suspected', 'rate_limited', 'parse_drift');

create table scrape_jobs (
    id uuid primary key default new_id(),
    dataset_id uuid not null references datasets on delete cascade,
    class_id uuid not null,
    source text not null,
    phrase text,
    urls text[] not null default '{}',
    "limit" int not null check ("limit" > 0),
    filters jsonb not null default '{}',
    status job_status not null default 'queued',
    stop_reason stop_reason,
    cursor jsonb,
    stored int not null default 0,
    skipped_tiles int not null default 0,
    error_code text,
    error text,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    foreign key (dataset_id, class_id) references classes (dataset_id, id) on delete cascade
);
create index scrape_jobs_list on scrape_jobs (status, id);
create index scrape_jobs_dataset on scrape_jobs (dataset_id, id);

comment on table scrape_jobs is 'One request for images of a class';
comment on column scrape_jobs.id is 'Sorts by time of creation';
comment on column scrape_jobs.dataset_id is 'The dataset that receives the images';
comment on column scrape_jobs.class_id is 'The class of the images';
comment on column scrape_jobs.source is 'Name of the source in the registry';
comment on column scrape_jobs.phrase is 'What is searched for; null for a list of URLs';
comment on column scrape_jobs.urls is 'The list of URLs; empty for a search';
comment on column scrape_jobs."limit" is 'How many images to store';
comment on column scrape_jobs.filters is 'Search filters in force; a result carries no licence of its own';
comment on column scrape_jobs.status is 'Where the job stands';
comment on column scrape_jobs.stop_reason is 'Why paging ended';
comment on column scrape_jobs.cursor is 'Where the source goes on; null before the first page';
comment on column scrape_jobs.stored is 'Images stored so far: what the limit is compared with, under the lock of the row';
comment on column scrape_jobs.skipped_tiles is 'Search hits that could not be parsed';
comment on column scrape_jobs.error_code is 'Stable code of what ended the job';
comment on column scrape_jobs.error is 'The same in words';
comment on column scrape_jobs.created_at is 'When it was asked for';
comment on column scrape_jobs.started_at is 'When a worker first took it';
comment on column scrape_jobs.finished_at is 'When it ended, however it ended';

create type candidate_outcome as enum ('stored', 'duplicate', 'rejected', 'failed', 'skipped');

create table candidates (
    id uuid primary key default new_id(),
    job_id uuid not null references scrape_jobs on delete cascade,
    url text not null,
    url_sha256 bytea not null check (octet_length(url_sha256) = 32),
    page_url text,
    title text,
    rank int not null,
    thumbnail_url text,
    licence text,
    engine_md5 text,
    outcome candidate_outcome,
    why text,
    image_id uuid references images on delete set null,
    settled_at timestamptz,
    created_at timestamptz not null default now(),
    unique (job_id, url_sha256),
    check ((outcome is null) = (settled_at is null)),
    check (outcome in ('stored', 'duplicate') or image_id is null)
);
create index candidates_list on candidates (job_id, id);
create index candidates_open on candidates (job_id, id) where outcome is null;
create index candidates_outcome on candidates (job_id, outcome, why);
create index candidates_image on candidates (image_id);

comment on table candidates is 'One search hit; ends in exactly one outcome';
comment on column candidates.id is 'Sorts by time of discovery';
comment on column candidates.job_id is 'The scrape job that found it';
comment on column candidates.url is 'Where the picture lies';
comment on column candidates.url_sha256 is 'Its digest: an index entry of bounded size';
comment on column candidates.page_url is 'The page that shows it';
comment on column candidates.title is 'Its title in the search results';
comment on column candidates.rank is 'Place in the search results, from 1';
comment on column candidates.thumbnail_url is 'The search engine''s own small copy';
comment on column candidates.licence is 'Licence as the source states it, or the filter in force';
comment on column candidates.engine_md5 is 'The search engine''s own digest: drops repeats before a download, never trusted as a content hash';
comment on column candidates.outcome is 'How it ended; null while open';
comment on column candidates.why is 'Code behind rejected, failed and skipped';
comment on column candidates.image_id is 'The image that it became or repeated';
comment on column candidates.settled_at is 'When it ended';
comment on column candidates.created_at is 'When it was found';

alter table sightings add foreign key (candidate_id) references candidates on delete set null;
