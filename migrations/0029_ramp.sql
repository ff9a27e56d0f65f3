-- A pace that begins slowly and gives way: how much slower than allowed a key's turns are.

alter table pace
    add column slowdown real not null default 1 check (slowdown >= 1),
    add column slowed_at timestamptz not null default now();

comment on column pace.slowdown is 'By how much the time between two turns was stretched when it last was; it falls by half again and again';
comment on column pace.slowed_at is 'When it last was stretched';
