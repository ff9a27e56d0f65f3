-- Datasets, their classes, references and images.

create table datasets (
    id uuid primary key default new_id(),
    name text not null unique check (name <> ''),
    created_at timestamptz not null default now()
);

comment on table datasets is 'A living collection: named classes with their images';
comment on column datasets.id is 'Sorts by time of creation';
comment on column datasets.name is 'Unique, chosen by the user';
comment on column datasets.created_at is 'When it was created';

create table classes (
    id uuid primary key default new_id(),
    dataset_id uuid not null references datasets on delete cascade,
    name text not null check (name <> ''),
    phrases text[] not null default '{}',
    position int not null,
    created_at timestamptz not null default now(),
    unique (dataset_id, name),
    unique (dataset_id, id)
);

comment on table classes is 'One label of a dataset';
comment on column classes.id is 'Sorts by time of creation';
comment on column classes.dataset_id is 'The dataset whose label it is';
comment on column classes.name is 'Unique in the dataset; what /classify answers';
comment on column classes.phrases is 'Search phrases that find pictures of it';
comment on column classes.position is 'Order in which the user listed the classes';
comment on column classes.created_at is 'When it was added';

create table class_references (
    class_id uuid not null references classes on delete cascade,
    sha256 bytea not null references pictures,
    created_at timestamptz not null default now(),
    primary key (class_id, sha256)
);

comment on table class_references is 'Validation pictures of a class, whose tags the tag check trusts';
comment on column class_references.class_id is 'The class that the picture stands for';
comment on column class_references.sha256 is 'The picture; its bytes lie under the dataset''s references';
comment on column class_references.created_at is 'When it was set';

create type image_state as enum ('accepted', 'flagged', 'rejected', 'deleted');

create table images (
    id uuid primary key default new_id(),
    dataset_id uuid not null references datasets on delete cascade,
    sha256 bytea not null references pictures,
    class_id uuid not null,
    state image_state not null default 'accepted',
    quarantined boolean not null default false,
    created_at timestamptz not null default now(),
    unique (dataset_id, sha256),
    foreign key (dataset_id, class_id) references classes (dataset_id, id)
);
create index images_list on images (dataset_id, state, id);
create index images_class on images (dataset_id, class_id, state, id);
create index images_sha256 on images (sha256);

comment on table images is 'A picture in one dataset, with one class and one state';
comment on column images.id is 'Sorts by time of arrival';
comment on column images.dataset_id is 'The dataset that holds it';
comment on column images.sha256 is 'The picture';
comment on column images.class_id is 'Its label';
comment on column images.state is 'Written in the transaction of the verdict or review that causes it';
comment on column images.quarantined is 'Whether the bytes lie under flagged/ instead of images/';
comment on column images.created_at is 'When the dataset first got it';

create table sightings (
    id uuid primary key default new_id(),
    image_id uuid not null references images on delete cascade,
    class_id uuid not null references classes on delete cascade,
    candidate_id uuid,
    name text,
    seen_at timestamptz not null default now(),
    unique (candidate_id)
);
create index sightings_image on sightings (image_id);
create index sightings_class on sightings (class_id);

comment on table sightings is 'Each time a dataset was given a picture, and under which class';
comment on column sightings.id is 'Sorts by time';
comment on column sightings.image_id is 'The image that was given';
comment on column sightings.class_id is 'The class it was given for: another one than the image''s is a label conflict';
comment on column sightings.candidate_id is 'The search hit that gave it; null for an upload';
comment on column sightings.name is 'File name of the upload; null for a search hit';
comment on column sightings.seen_at is 'When it was given';

create table image_counts (
    dataset_id uuid not null references datasets on delete cascade,
    class_id uuid not null references classes on delete cascade,
    state image_state not null,
    count bigint not null,
    primary key (dataset_id, class_id, state)
);

comment on table image_counts is 'Images per dataset, class and state, kept by the trigger on images alone';
comment on column image_counts.dataset_id is 'The dataset';
comment on column image_counts.class_id is 'The class';
comment on column image_counts.state is 'The state';
comment on column image_counts.count is 'How many images';

-- One statement-level trigger per event, because transition tables exist for one event each. Rows are
-- locked in the order of their key, so two statements cannot deadlock here.
create function count_images() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into image_counts as c (dataset_id, class_id, state, count)
        select dataset_id, class_id, state, count(*) from added
        group by 1, 2, 3 order by 1, 2, 3
        on conflict (dataset_id, class_id, state) do update set count = c.count + excluded.count;
    elsif tg_op = 'DELETE' then
        update image_counts c set count = c.count - r.n
        from (select dataset_id, class_id, state, count(*) as n from removed group by 1, 2, 3) r
        where (c.dataset_id, c.class_id, c.state) = (r.dataset_id, r.class_id, r.state);
    else
        insert into image_counts as c (dataset_id, class_id, state, count)
        select dataset_id, class_id, state, sum(n) from (
            select dataset_id, class_id, state, 1 as n from added
            union all select dataset_id, class_id, state, -1 from removed
        ) d group by 1, 2, 3 having sum(n) <> 0 order by 1, 2, 3
        on conflict (dataset_id, class_id, state) do update set count = c.count + excluded.count;
    end if;
    return null;
end $$;

create trigger images_counted_on_insert after insert on images
    referencing new table as added for each statement execute function count_images();
create trigger images_counted_on_delete after delete on images
    referencing old table as removed for each statement execute function count_images();
create trigger images_counted_on_update after update on images
    referencing new table as added old table as removed for each statement execute function count_images();

create table import_jobs (
    id uuid primary key default new_id(),
    dataset_id uuid not null references datasets on delete cascade,
    class_id uuid references classes on delete cascade,
    file_name text not null,
    status job_status not null default 'queued',
    done int not null default 0,
    total int,
    outcomes jsonb not null default '{}',
    error_code text,
    error text,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz
);
create index import_jobs_list on import_jobs (status, id);

comment on table import_jobs is 'One uploaded archive of pictures';
comment on column import_jobs.id is 'Sorts by time of creation';
comment on column import_jobs.dataset_id is 'The dataset that receives the pictures';
comment on column import_jobs.class_id is 'Their class; null when the path inside the archive names it';
comment on column import_jobs.file_name is 'Name of the archive as uploaded';
comment on column import_jobs.status is 'Where the job stands';
comment on column import_jobs.done is 'Entries of the archive that are settled, in its order; a resumed job goes on there';
comment on column import_jobs.total is 'Entries in all, once known';
comment on column import_jobs.outcomes is 'How many entries ended how, as {"stored": 3, "rejected:not_image": 1}';
comment on column import_jobs.error_code is 'Stable code of what ended the job';
comment on column import_jobs.error is 'The same in words';
comment on column import_jobs.created_at is 'When the upload was complete';
comment on column import_jobs.started_at is 'When a worker first took it';
comment on column import_jobs.finished_at is 'When it ended, however it ended';
