-- Ids and states that every noun shares, and the durable queue.

create function new_id() returns uuid
language sql volatile parallel safe
return (
    -- RFC 9562 UUIDv7: 48 bits of Unix milliseconds, the version, 12 bits of the millisecond's
    -- fraction (method 3), and the variant with 62 random bits taken over from a UUIDv4.
    select encode(
        substring(int8send(microseconds / 1000) from 3)
            || int2send((28672 + (microseconds % 1000) * 4096 / 1000)::int2)
            || substring(uuid_send(gen_random_uuid()) from 9),
        'hex'
    )::uuid
    from (
        select (extract(epoch from clock_timestamp()) * 1000000)::bigint as microseconds
    ) as clock
);
comment on function new_id() is
    'A UUIDv7: ids sort by the time of their creation, to the microsecond of one server.';

create type job_status as enum ('queued', 'running', 'succeeded', 'failed', 'cancelled');
comment on type job_status is 'Where a job or run stands; the last three are final.';

create type task_lane as enum ('net', 'tag', 'cpu', 'train');
comment on type task_lane is 'What a task mostly waits for; each lane has its own concurrency.';

create type task_state as enum ('available', 'running', 'succeeded', 'failed', 'cancelled');
comment on type task_state is 'Where a task stands; the last three are final.';

create table tasks (
    id uuid primary key default new_id(),
    kind text not null check (kind <> ''),
    lane task_lane not null,
    subject uuid not null,
    payload jsonb not null default '{}',
    state task_state not null default 'available',
    priority smallint not null default 0,
    run_at timestamptz not null default now(),
    attempt integer not null default 0 check (attempt between 0 and max_attempts),
    max_attempts integer not null default 3 check (max_attempts > 0),
    snoozes integer not null default 0 check (snoozes >= 0),
    lease_token uuid,
    lease_until timestamptz,
    worker text,
    done bigint not null default 0 check (done >= 0),
    total bigint not null default 0 check (total >= 0),
    error_code text,
    error text,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    constraint tasks_leased_while_running check (
        (state = 'running') = (lease_token is not null)
        and (state = 'running') = (lease_until is not null)
    ),
    constraint tasks_finished_when_final check (
        (state in ('succeeded', 'failed', 'cancelled')) = (finished_at is not null)
    )
);

comment on table tasks is 'The units of the durable queue; jobs and runs are made of them.';
comment on column tasks.id is 'The task.';
comment on column tasks.kind is 'Names the handler that runs the task.';
comment on column tasks.lane is 'The concurrency limit that the task counts against.';
comment on column tasks.subject is
    'The job, run or other noun that the task is about; cancelling goes by it.';
comment on column tasks.payload is 'What the handler needs beyond the subject.';
comment on column tasks.state is 'Where the task stands.';
comment on column tasks.priority is 'Smaller runs first within a lane.';
comment on column tasks.run_at is 'Not claimed before this moment: delay, backoff, snooze.';
comment on column tasks.attempt is
    'Attempts begun; a snooze and a task given back return theirs.';
comment on column tasks.max_attempts is 'The attempt whose failure ends the task.';
comment on column tasks.snoozes is 'Times that the task was put off at no cost.';
comment on column tasks.lease_token is
    'The fence: only who holds this token may write for the task.';
comment on column tasks.lease_until is
    'When the reaper may take the task from its worker; each heartbeat moves it.';
comment on column tasks.worker is 'The process that claimed the task last: host, pid, random.';
comment on column tasks.done is 'Progress: units done, as the last heartbeat reported.';
comment on column tasks.total is 'Progress: units in all; 0 while unknown.';
comment on column tasks.error_code is
    'Machine name of the last failure or of the reason for a snooze.';
comment on column tasks.error is 'The last failure in words.';
comment on column tasks.created_at is 'When the task was enqueued.';
comment on column tasks.started_at is 'When the first attempt began.';
comment on column tasks.finished_at is 'When the task reached a final state.';

create index tasks_claim on tasks (lane, priority, run_at, id) where state = 'available';
create index tasks_lease on tasks (lease_until) where state = 'running';
create index tasks_subject on tasks (subject, state);
create index tasks_finished on tasks (finished_at) where finished_at is not null;

-- A notification only wakes workers; who misses it finds the task by polling.
create function tasks_notify() returns trigger
language plpgsql as $$
begin
    perform pg_notify('task_available', lane::text) from (select distinct lane from inserted) as l;
    return null;
end
$$;
comment on function tasks_notify() is 'Wakes the workers of the lanes that tasks were put in.';

create trigger tasks_notify after insert on tasks
referencing new table as inserted
for each statement execute function tasks_notify();
