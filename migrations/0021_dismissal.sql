-- What a check flagged and a person called no problem: remembered by picture and check, beyond images and datasets.

alter table reviews
    add column "check" text,
    add check ((decision = 'not_a_problem') = ("check" is not null));

comment on column reviews."check" is 'The check that is wrong, of not_a_problem';
comment on column reviews.decision is 'keep, reject, another class, or no problem as for one check';

create table dismissals (
    review_id uuid not null references reviews on delete cascade,
    sha256 bytea not null references pictures,
    "check" text not null,
    primary key (review_id, sha256)
);
create index dismissals_by_picture on dismissals (sha256, "check");

comment on table dismissals is 'Pictures of which a person said that what a check finds is no problem';
comment on column dismissals.review_id is 'The review that says so; it counts until it is undone';
comment on column dismissals.sha256 is 'The picture, in whatever dataset';
comment on column dismissals."check" is 'Name of the check';

create view dismissed_checks as
    select distinct d.sha256, d."check"
    from dismissals d join reviews r on r.id = d.review_id
    where r.undone_at is null;

comment on view dismissed_checks is 'The dismissals that are in force';

create view current_verdicts as
    select distinct on (v.image_id, v."check") v.*,
        exists (select from dismissed_checks d
                where d.sha256 = i.sha256 and d."check" = v."check") as dismissed
    from verdicts v join images i on i.id = v.image_id
    where not v.dry_run and v.outcome <> 'withdrawn'
      and not exists (
          select from verdicts w
          where w.job_id = v.job_id and w.image_id = v.image_id
            and w."check" = v."check" and w.outcome = 'withdrawn')
    order by v.image_id, v."check", v.id desc;

comment on view current_verdicts is 'Of each image and check the newest verdict that is not of a dry run and was not withdrawn; dismissed: a person said that what it finds is no problem';
