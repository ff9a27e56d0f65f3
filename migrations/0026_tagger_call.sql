-- The ledger: each tagger call of a cleaning job, what came of it and what it cost.

create type call_outcome as enum ('open', 'answered', 'unanswered', 'unreadable', 'throttled', 'failed');

create table tagger_calls (
    id uuid primary key default new_id(),
    job_id uuid not null references cleaning_jobs on delete cascade,
    sha256 bytea not null,
    tagger text not null,
    outcome call_outcome not null default 'open',
    charged boolean not null
        generated always as (outcome in ('open', 'answered', 'unanswered')) stored,
    price_usd double precision not null check (price_usd >= 0),
    created_at timestamptz not null default now(),
    ended_at timestamptz,
    check ((outcome = 'open') = (ended_at is null))
);
create index tagger_calls_job on tagger_calls (job_id, id);

comment on table tagger_calls is 'Tagger calls of cleaning jobs; those that are charged make up their cost';
comment on column tagger_calls.id is 'Sorts by time';
comment on column tagger_calls.job_id is 'The cleaning job that called';
comment on column tagger_calls.sha256 is 'The picture; it may be gone since';
comment on column tagger_calls.tagger is 'Name of the tagger';
comment on column tagger_calls.outcome is 'open: under way, or what made it ended before its answer was recorded; unanswered: no answer came in time, so that it may have been paid for; unreadable: the tagger cannot read the picture';
comment on column tagger_calls.charged is 'Whether it was paid for or may have been';
comment on column tagger_calls.price_usd is 'What it costs where it is charged';
comment on column tagger_calls.created_at is 'When it was charged, right before the call';
comment on column tagger_calls.ended_at is 'When its outcome was recorded';

comment on column cleaning_jobs.tagger_calls is 'Calls of this job that were paid for or may have been';
