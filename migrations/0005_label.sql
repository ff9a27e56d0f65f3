-- Labels: what a tagger said of a picture, kept for ever, so that the next job costs nothing.

create table picture_labels (
    sha256 bytea not null references pictures,
    tagger text not null,
    model_version text not null,
    labels jsonb not null,
    created_at timestamptz not null default now(),
    primary key (sha256, tagger, model_version)
);

comment on table picture_labels is 'All labels of one tagger''s answer';
comment on column picture_labels.sha256 is 'The picture';
comment on column picture_labels.tagger is 'Which tagger answered';
comment on column picture_labels.model_version is 'Its label model: labels of two versions are never compared';
comment on column picture_labels.labels is 'Name, confidence (percent), parents, aliases and categories of each label';
comment on column picture_labels.created_at is 'When it answered';

create table pace (
    key text primary key,
    next_at timestamptz not null
);

comment on table pace is 'Rate limits shared by all workers: the next free slot of each';
comment on column pace.key is 'What is limited: a tagger, or an image host';
comment on column pace.next_at is 'When the next call may start';
