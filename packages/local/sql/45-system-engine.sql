-- Debian's pg_cron and plpgsql_check are not marked as trusted, so `postgres` could not create them as
-- it can on hosted: a later `create extension if not exists` finds them.

create extension pg_cron with schema pg_catalog;

grant usage on schema cron to postgres with grant option;

revoke all on cron.job from postgres;

grant select on cron.job to postgres with grant option;

grant select, delete on cron.job_run_details to postgres with grant option;

create extension plpgsql_check with schema extensions;
