-- What two cleaning jobs say differently, in the checks that both made.

create function job_differences(job_before uuid, job_after uuid, only_check text)
returns table (
    image_id uuid, "check" text,
    before verdict_outcome, reason_before text, after verdict_outcome, reason_after text
) language sql stable as $$
    with made as (
        select unnest(checks) as "check" from cleaning_jobs where id = job_before
        intersect
        select unnest(checks) from cleaning_jobs where id = job_after
    ), wanted as (
        -- Here, because no condition on the result reaches below a full join.
        select "check" from made where only_check is null or "check" = only_check
    ), x as (
        select v.* from verdicts v join wanted using ("check")
        where job_id = job_before and outcome <> 'withdrawn' and not reopened
    ), y as (
        select v.* from verdicts v join wanted using ("check")
        where job_id = job_after and outcome <> 'withdrawn' and not reopened
    )
    select image_id, "check", x.outcome, x.reason, y.outcome, y.reason
    from x full join y using (image_id, "check")
    where x.outcome is distinct from y.outcome
$$;

comment on function job_differences is 'Images of which two cleaning jobs say something different; null where one of them did not judge the image; of one check, or of all where that is null';
