-- Retention: what has been kept long enough goes, in chunks, every hour.
--
-- How long is a setting, 0 is for ever. What else ends by itself: audit entries (audit.retention_months),
-- notifications (notifications.retention_days), the files of exports (exports.keep_hours), finished jobs
-- (14 days) and finished deliveries with their log (90 days).

-- Tables

-- Before v1.0 there are no rows to rewrite.
alter table public.imports add column pruned_at timestamptz;

comment on column public.imports.pruned_at is 'When its file and the cells of its rows were removed, after retention.import_days; what an undo goes by stays.';

create index imports_to_prune on public.imports (updated_at) where pruned_at is null;

create index exports_ended on public.exports (finished_at) where status in ('failed', 'expired');

create index notifications_read_before on public.notifications (read_at) where is_read;

-- Functions

create function private.retention_cutoff(p_setting text) returns timestamptz
language plpgsql stable security definer set search_path = '' as $$
declare
  days integer := (private.setting(p_setting))::integer;
begin
  return case when days > 0 then now() - make_interval(days => days) end;
end
$$;

comment on function private.retention_cutoff(text) is 'What is older has been kept long enough; null keeps for ever.';

create function private.purge_deleted(p_before timestamptz, p_limit integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  kind record;
  ids uuid[];
  moments timestamptz[];
  records jsonb;
  purged jsonb := '{}';
begin
  for kind in
    select s.table_name,
      exists (
        select from pg_catalog.pg_attribute a
        where a.attrelid = to_regclass('public.' || s.table_name) and a.attname = 'merged_into' and not a.attisdropped
      ) as is_merged
    from private.soft_deletable s
    -- Leads take with them what would come next.
    order by s.table_name <> 'leads', s.table_name
  loop
    -- A merged lead is kept for unmerge(); one that is being restored is left alone.
    execute format(
      'select array_agg(d.id) from (
         select x.id from public.%I x where x.deleted_at < $1 %s order by x.deleted_at, x.id limit $2 for update skip locked
       ) d', kind.table_name, case when kind.is_merged then 'and x.merged_into is null' end
    ) into ids using p_before, p_limit;

    continue when ids is null;

    moments := case kind.table_name when 'leads' then private.merge_moments(ids) else '{}' end;
    records := private.remove_rows(kind.table_name, ids);

    perform private.audit_erase(kind.table_name, null, records, moments);

    purged := purged || jsonb_build_object(kind.table_name, cardinality(ids));
  end loop;

  return purged;
end
$$;

comment on function private.purge_deleted(timestamptz, integer) is 'Erases rows that were deleted before a time, some of each table, with what hangs on them and what the audit trail says of them. Answers how many of which table.';

create function private.purge_import(p_before timestamptz, p_limit integer) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  import public.imports;
  pruned integer;
begin
  select * into import
  from public.imports i
  where i.pruned_at is null and i.updated_at < p_before and i.status in ('read', 'checked', 'stopped', 'committed', 'undone', 'failed')
  order by i.updated_at
  limit 1
  for update skip locked;

  if import.id is null then
    return 0;
  end if;

  if import.status in ('read', 'checked', 'stopped') then
    -- Nobody went on with it: what was committed stays and can be undone, the rest has ended. Its time stays
    -- too, so that the next chunk finds it.
    perform set_config('intake.restore', 'on', true);

    update public.imports i
    set status = case i.status when 'stopped' then 'committed' else 'failed' end, failure = 'import_abandoned', failure_detail = null
    where i.id = import.id
    returning * into import;

    perform set_config('intake.restore', '', true);
  end if;

  if import.status = 'committed' then
    update private.import_rows r
    set cells = '{}', fields = null, email = null, phone = null, detail = null
    where r.import_id = import.id
      and r.row_no = any (array(
        select x.row_no from private.import_rows x where x.import_id = import.id and x.cells <> '{}' order by x.row_no limit p_limit
      ));
  else
    delete from private.import_rows r
    where r.import_id = import.id
      and r.row_no = any (array(select x.row_no from private.import_rows x where x.import_id = import.id order by x.row_no limit p_limit));
  end if;

  get diagnostics pruned = row_count;

  if pruned < p_limit then
    update public.imports i set pruned_at = now() where i.id = import.id;

    perform private.enqueue('files.remove', jsonb_build_object('import_ids', jsonb_build_array(import.id)), p_dedupe_key => import.id::text);
  end if;

  return greatest(pruned, 1);
end
$$;

comment on function private.purge_import(timestamptz, integer) is 'Takes what one import that ended holds of people out of some of its rows, and, when none is left, has its file removed. A committed one keeps what an undo goes by. Answers how many.';

create function private.retention_purge(p_limit integer default 200) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  before timestamptz;
  kept record;
  removed integer;
  purged jsonb := '{}';
begin
  before := private.retention_cutoff('retention.deleted_days');

  if before is not null then
    purged := private.purge_deleted(before, p_limit);
  end if;

  before := private.retention_cutoff('retention.import_days');

  if before is not null then
    removed := private.purge_import(before, p_limit * 25);

    if removed > 0 then
      purged := purged || jsonb_build_object('import_rows', removed);
    end if;

    if exists (select from private.files_to_remove(null, null, before, 1)) then
      perform private.enqueue('files.remove', jsonb_build_object('uploads_before', before), p_dedupe_key => 'uploads');
    end if;
  end if;

  for kept in
    select *
    from (values
      ('retention.export_days', 'public.exports', 'finished_at', 'status in (''failed'', ''expired'')', 5),
      ('retention.report_run_days', 'public.report_runs', 'finished_at', 'status in (''failed'', ''expired'')', 5),
      ('retention.dead_job_days', 'private.jobs_dead', 'died_at', 'true', 5),
      ('retention.read_notification_days', 'public.notifications', 'read_at', 'is_read', 5),
      ('retention.analytics_event_days', 'public.analytics_events', 'created_at', 'true', 25),
      -- Of first responses each lead has one, which goes with it, and which the sweep would time again.
      ('retention.sla_timer_days', 'public.sla_timers', 'coalesce(met_at, cancelled_at)', 'kind = ''follow_up''', 25),
      ('retention.sync_days', 'public.sync_log', 'finished_at', 'true', 25),
      ('retention.sync_days', 'public.sync_conflicts', 'created_at', 'true', 25),
      ('retention.sync_days', 'private.sync_ops', 'created_at', 'verdict is not null', 25)
    ) k (setting, relation, ended, condition, share)
  loop
    execute format(
      'delete from %1$s x where x.ctid = any (array(select y.ctid from %1$s y where %3$s and %2$s < $1 order by %2$s limit $2))',
      kept.relation, kept.ended, kept.condition
    ) using private.retention_cutoff(kept.setting), p_limit * kept.share;

    get diagnostics removed = row_count;

    if removed > 0 then
      purged := purged || jsonb_build_object(split_part(kept.relation, '.', 2), removed);
    end if;
  end loop;

  if purged <> '{}' then
    perform private.audit('purge', 'retention', null, null, purged);
  end if;

  return purged;
end
$$;

comment on function private.retention_purge(integer) is 'One chunk of everything that has been kept long enough: how many rows of which table, {} when there is nothing left. The job retention.purge calls it until then.';

-- Schedule

insert into private.job_schedules (name, cron, kind, priority) values
  ('retention.purge', '29 * * * *', 'retention.purge', -1);

-- Grants

revoke all on function
  private.retention_cutoff(text),
  private.purge_deleted(timestamptz, integer),
  private.purge_import(timestamptz, integer),
  private.retention_purge(integer)
  from public, anon, authenticated, service_role;

grant execute on function private.retention_purge(integer) to service_role;

-- This module's error and settings

insert into public.error_codes (code, sqlstate, message, hint) values
  ('import_abandoned', 'PT409', 'Nobody went on with the import in time.', 'Start it again; retention.import_days says how long one is kept.');

select
  private.define_setting('retention.deleted_days', '90', 'integer', 'Days that deleted rows can be restored; 0 keeps them for ever', 0, 3650),
  private.define_setting('retention.import_days', '30', 'integer', 'Days that the file and the rows of an import are kept after its last step; 0 keeps them for ever', 0, 3650),
  private.define_setting('retention.export_days', '90', 'integer', 'Days that an export is listed after its file is gone; 0 for ever', 0, 3650),
  private.define_setting('retention.analytics_event_days', '400', 'integer', 'Days that analytics events are kept; 0 keeps them for ever', 0, 3650),
  private.define_setting('retention.report_run_days', '90', 'integer', 'Days that a report is listed in the history after its file is gone; 0 for ever', 0, 3650),
  private.define_setting('retention.sla_timer_days', '400', 'integer', 'Days that the follow-up timers of SLA are kept after they ended; 0 keeps them for ever', 0, 3650),
  private.define_setting('retention.sync_days', '90', 'integer', 'Days that synchronisations, their conflicts and what became of each operation are kept; 0 keeps them for ever', 0, 3650),
  private.define_setting('retention.dead_job_days', '90', 'integer', 'Days that jobs that failed for good are kept; 0 keeps them for ever', 0, 3650),
  private.define_setting('retention.read_notification_days', '90', 'integer', 'Days that notifications are kept after they were read; 0 keeps them as others', 0, 3650);
